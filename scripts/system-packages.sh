#!/usr/bin/env bash
# The Debian packages that the tests use as real peers and tools. `npm test` runs this first: it is a no-op when all are there,
# installs them when it may (root, or sudo without a password), and otherwise names what is missing and fails. Arguments are more packages.
# It starts no service and leaves none enabled: mosquitto's own would take port 1883.
set -euo pipefail

packages=(
  gcc libc6-dev                 # builds the libmodbus server of the tests
  libmodbus-dev                 # a Modbus server of other hands
  mbpoll                        # a Modbus client of other hands
  mosquitto mosquitto-clients   # the upstream broker, and clients of ours
  nats-server                   # an upstream broker of another make, of MQTT 3.1.1
  ejabberd                      # one of MQTT 5
  protobuf-compiler             # another reader of Sparkplug payloads
  openssl                       # certificates of the tests
  python3-paho-mqtt             # a receiver above, which checks the ledger
  python3 python3-pymodbus      # another Modbus server; datagram sockets for sd_notify
  python3-serial python3-serial-asyncio   # its serial lines
  socat                         # pairs of serial lines
  systemd                       # systemd-analyze, systemd-sysusers, systemd-tmpfiles
  "$@"
)
policy="${POLICY_RC_D:-/usr/sbin/policy-rc.d}"

missing=()
for package in "${packages[@]}"; do
  status="$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)"
  [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

cannot() {
  printf 'The tests need these Debian packages, and they cannot be installed from here (%s):\n  %s\nInstall them:\n  sudo apt-get install --no-install-recommends %s\n' \
    "$1" "${missing[*]}" "${missing[*]}" >&2
  exit 1
}

command -v apt-get >/dev/null || cannot 'no apt-get: this is no Debian'
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || cannot 'neither root nor sudo without a password'
  exec sudo -n bash "$0" "$@"
fi

echo "Installing Debian packages for the tests: ${missing[*]}" >&2
saved=''
restore() {
  rm -f "$policy"
  [ -z "$saved" ] || mv "$saved" "$policy"
}
if [ -e "$policy" ]; then
  saved="$policy.before-lineside"
  mv "$policy" "$saved"
fi
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy" # invoke-rc.d(8): no service may be started
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt=(apt-get --quiet --quiet -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" update >&2
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >&2 || cannot 'apt-get failed'

# What was not here before must not come up at the next boot either.
for service in mosquitto nats-server ejabberd; do
  case " ${missing[*]} " in
    *" $service "*) systemctl --quiet disable "$service.service" >&2 || echo "$service.service could not be disabled." >&2 ;;
  esac
done
