// A whole AT Protocol network on loopback: PLC directory, personal data server, app view and Ozone.
//
// Wants DB_POSTGRES_URL and REDIS_HOST (host:port). Says where everything listens in one JSON line on
// stdout, then obeys one JSON command a line on stdin and answers each with one JSON line. It ends when
// stdin closes, so that it never outlives who started it. Files lie in TMPDIR.
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'

import { TestNetwork, TestPds } from '@atproto/dev-env'

const pdsOptions = {
  // Fixed here, so that a data server that is started again can still sign for its accounts.
  plcRotationKeyK256PrivateKeyHex: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex'),
  rateLimitsEnabled: false,
}

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

const network = await TestNetwork.create({ dbPostgresSchema: 'takin', pds: pdsOptions })
let pds = network.pds

const commands = {
  // Make an account a member of the moderation team.
  async moderator({ did, role }) {
    if (role === 'triage') await network.ozone.addTriageDid(did)
    else await network.ozone.addModeratorDid(did)
  },
  // Wait until every server has seen what the others have said.
  async settle() {
    await network.ozone.processAll()
    await network.bsky.sub.processAll()
    await network.processFullSubscription(20_000)
  },
  // The data server goes away and comes back with the same data on the same port.
  async restart() {
    const port = pds.port
    const was = pds.ctx.cfg
    await pds.close()
    pds = await TestPds.create({
      ...pdsOptions,
      port,
      dataDirectory: dirname(was.db.accountDbLoc),
      blobstoreDiskLocation: was.blobstore.location,
      didPlcUrl: network.plc.url,
      bskyAppViewUrl: network.bsky.url,
      bskyAppViewDid: network.bsky.ctx.cfg.serverDid,
      modServiceUrl: was.modService.url,
      modServiceDid: was.modService.did,
    })
    network.pds = pds
  },
}

say({
  pds: network.pds.url,
  app_view: network.bsky.url,
  ozone: network.ozone.url,
  plc: network.plc.url,
  moderation_did: network.ozone.ctx.cfg.service.did,
})

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { do: name, ...rest } = JSON.parse(line)
    say({ ok: true, result: (await commands[name](rest)) ?? null })
  } catch (error) {
    say({ ok: false, error: String(error?.stack ?? error) })
  }
}

// Closing politely waits for queues that nobody needs any more.
process.exit(0)
