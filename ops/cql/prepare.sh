# Sourced by ops/cql-server: makes sure of what a node needs, and sets java, home, classpath and archive.
# shellcheck shell=bash disable=SC2034,SC2154  # variables and functions of ops/cql-server

# install WHAT PACKAGE...: as in ops/test, but a caller learns by 69 that it is not to be had.
install() {
  local what=$1
  shift
  { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || unavailable "$what is missing; install: $*"
  say "installing $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1 ||
    unavailable "$what is missing and apt-get could not install: $*"
}

# Cassandra 5.0 runs on JDK 17 and on no newer one.
find_java() {
  for java in "${JAVA_HOME:-/none}/bin/java" /usr/lib/jvm/*17*/bin/java java; do
    java_version=$("$java" -version 2>&1) && [[ $java_version == *'"17.'* ]] && return
  done
  return 1
}

# Once per user and version: the jars, then an archive of loaded classes, which makes each start faster.
prepare() {
  command -v python3 >/dev/null || install python3 python3
  find_java || { install "a JDK 17" openjdk-17-jre-headless; find_java || unavailable "no java 17 after installing it"; }
  home=$cache/server-$(cksum <"$here/pom.xml" | cut -d' ' -f1)
  exec 8>"$cache/locks/install"
  flock 8
  [ -d "$home/lib" ] || fetch_jars
  classpath=$(printf '%s:' "$home"/lib/*.jar)
  archive=$home/classes-$({ echo "$java_version"; cat "$here/java.options"; } | cksum | cut -d' ' -f1).jsa
  [ -e "$archive" ] || archive_classes
  exec 8>&-
}

fetch_jars() {
  command -v mvn >/dev/null || install Maven maven
  rm -rf "$home".tmp
  mkdir -p "$home".tmp
  cp "$here/pom.xml" "$home".tmp/
  for try in 1 2 3; do
    say "fetching the server's jars (66 MB), try $try of 3"
    # A registry may hang for ever; what a try has fetched is kept for the next.
    if timeout 240 mvn --batch-mode --quiet --file "$home".tmp/pom.xml dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$home".tmp/lib 8>&- </dev/null >"$home".tmp/log 2>&1; then
      mv "$home".tmp "$home"
      return
    fi
  done
  tail -5 "$home".tmp/log >&2
  unavailable "Maven could not fetch the server's jars"
}

# A throw-away node that writes down its classes as it ends. The jars must lie where they will be used.
archive_classes() {
  say "archiving the server's classes (once, about 10 s)"
  local saved=$dir
  dir=$home/training
  rm -rf "$dir" "$archive".tmp
  nodes=1 auth='' tls='' heap=512m port=$(free_port 127.0.0.1)
  launch 1 "-XX:ArchiveClassesAtExit=$archive.tmp"
  # No archive is no failure: the next start is slower and tries again.
  if wait_for_nodes 60 1; then end TERM 40 1 || end KILL 10 1; else end KILL 10 1; fi
  [ ! -e "$archive".tmp ] || mv "$archive".tmp "$archive"
  rm -rf "$dir"
  dir=$saved
}
