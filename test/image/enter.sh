#!/bin/sh
# Starts a program in an image's file system as a container runtime would: read-only, as another user, as process 1 of
# its own process namespace. To be run in a mount namespace of its own, as root: enter.sh ROOT DIRECTORY PROGRAM…
set -eu
root=$1 directory=$2
shift 2
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 devices "$root/dev"
touch "$root/dev/null" "$root/dev/urandom"
mount --bind /dev/null "$root/dev/null"
mount --bind /dev/urandom "$root/dev/urandom"
mount -o remount,bind,ro "$root"
exec unshare --pid --fork --kill-child=KILL --mount-proc=/proc --root="$root" --wd="$directory" \
  --setgid=65532 --setuid=65532 "$@"
