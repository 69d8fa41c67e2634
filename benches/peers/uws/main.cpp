// uWebSockets as a peer: the same command line as the Rust peers (src/lib.rs), echo and publish.
// Compiled by ../build with uSockets' epoll loop, without SSL and zlib.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "App.h"

namespace {

// What a connection may send at once, and what may wait for one that does not read, in bytes; as in peer-epoll.
constexpr unsigned int kMaxBytes = 16 * 1024 * 1024;
constexpr std::string_view kTopic = "all";

struct Nothing {};
using Socket = uWS::WebSocket<false, true, Nothing>;

struct Options {
  std::string host = "127.0.0.1";
  int port = 0;
  bool publish = false;
};

[[noreturn]] void usage() {
  std::fputs("usage: peer-uws [--listen ADDR:PORT] [--mode echo|publish]\n", stderr);
  std::exit(2);
}

Options parse(int argc, char **argv) {
  Options options;
  for (int at = 1; at < argc; at += 2) {
    if (at + 1 == argc) usage();
    const std::string_view name = argv[at];
    const std::string value = argv[at + 1];
    if (name == "--listen") {
      const auto colon = value.rfind(':');
      if (colon == std::string::npos) usage();
      options.host = value.substr(0, colon);
      options.port = std::atoi(value.c_str() + colon + 1);
    } else if (name == "--mode" && (value == "echo" || value == "publish")) {
      options.publish = value == "publish";
    } else {
      usage();
    }
  }
  return options;
}

void raise_open_files() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

uWS::App::WebSocketBehavior<Nothing> behaviour(bool publish) {
  uWS::App::WebSocketBehavior<Nothing> ws;
  ws.compression = uWS::DISABLED;
  ws.maxPayloadLength = kMaxBytes;
  ws.idleTimeout = 0;
  ws.maxBackpressure = kMaxBytes;
  ws.sendPingsAutomatically = false;
  if (publish) {
    ws.open = [](Socket *socket) { socket->subscribe(kTopic); };
    // To every subscriber but this one.
    ws.message = [](Socket *socket, std::string_view message, uWS::OpCode opcode) {
      if (opcode == uWS::OpCode::TEXT) socket->publish(kTopic, message, opcode);
    };
  } else {
    ws.message = [](Socket *socket, std::string_view message, uWS::OpCode opcode) { socket->send(message, opcode); };
  }
  return ws;
}

}  // namespace

int main(int argc, char **argv) {
  const Options options = parse(argc, argv);
  raise_open_files();
  uWS::App app;
  app.ws<Nothing>("/*", behaviour(options.publish));
  app.listen(options.host, options.port, [&options](us_listen_socket_t *socket) {
    if (socket == nullptr) {
      std::fprintf(stderr, "peer-uws: cannot listen on %s:%d\n", options.host.c_str(), options.port);
      std::exit(1);
    }
    const int port = us_socket_local_port(0, reinterpret_cast<us_socket_t *>(socket));
    std::printf("listening on http://%s:%d\n", options.host.c_str(), port);
    std::fflush(stdout);
  });
  app.run();
}
