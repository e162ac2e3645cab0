#!/bin/sh
# What the tests of pages need: Debian's Chromium with Chinese letters, and axe-core (MPL-2.0) beside the packages.
set -eu
venv=$1
install="apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk"
if ! command -v chromium > /dev/null; then
  if [ "$(id -u)" = 0 ]; then apt-get update -qq && $install
  elif sudo -n true 2> /dev/null; then sudo -n apt-get update -qq && sudo -n $install
  else echo "tests/browser needs chromium; run: sudo $install" >&2
  fi
fi
if command -v npm > /dev/null; then
  npm install --silent --no-audit --no-fund --prefix "$venv/share/axe" axe-core@4.11.0
else
  echo "tests/browser needs npm to fetch axe-core@4.11.0, for its check of accessibility" >&2
fi
