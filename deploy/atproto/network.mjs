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

// Takedowns of posts and labels travel as labels. What carries them from Ozone to an app view in the real network is
// not part of these packages: here it is this loop, from Ozone's public API into the app view's own table.
const carryLabels = async () => {
  const answer = await fetch(`${network.ozone.url}/xrpc/com.atproto.label.queryLabels?uriPatterns=*&limit=250`)
  const { labels } = await answer.json()
  for (const label of labels) {
    const row = { src: label.src, uri: label.uri, cid: label.cid ?? '', val: label.val, cts: label.cts }
    await network.bsky.db.db
      .insertInto('label')
      .values({ ...row, neg: label.neg ?? false, exp: label.exp ?? null })
      .onConflict((conflict) => conflict.columns(['src', 'uri', 'cid', 'val']).doUpdateSet({ neg: label.neg ?? false }))
      .execute()
  }
}
setInterval(() => carryLabels().catch((error) => process.stderr.write(`labels: ${error}\n`)), 200)

const commands = {
  // Make an account a member of the moderation team.
  async moderator({ did, role }) {
    if (role === 'triage') await network.ozone.addTriageDid(did)
    else await network.ozone.addModeratorDid(did)
  },
  // Wait until every server has seen what the others have said.
  async settle() {
    await network.ozone.processAll()
    await carryLabels()
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
