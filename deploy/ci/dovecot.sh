#!/usr/bin/env bash
# Makes sure that an IMAP server is installed; the tests start and stop their own, on loopback.
set -euo pipefail

if [ -x /usr/sbin/dovecot ] && [ -e /usr/lib/dovecot/imap ]; then
    exit 0
fi
exec "$(dirname "$0")/debian_package.sh" dovecot-imapd "an IMAP server (Dovecot)"
