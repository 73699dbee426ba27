// pmx-serve: the files of a directory over HTTP. Settings come as PM2_SERVE_* variables; SIGINT and
// SIGTERM end it when what is being sent is sent.
#include <fmt/format.h>
#include <httplib.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <thread>

#include "serve/file_server.h"

namespace pmx::serve {
namespace {

// A slow reader holds a thread.
constexpr std::size_t kThreads = 64;
constexpr int kPatience = 30;  // seconds, for a client that takes nothing
constexpr int kIdle = 5;       // seconds, of a connection between requests

// Who has started us counts us as ready by this (pmx, or pm2).
void tell_ready() {
  constexpr std::string_view kReady = "\"ready\"\n";
  const char* const channel = std::getenv("NODE_CHANNEL_FD");
  if (channel != nullptr)
    static_cast<void>(::send(std::atoi(channel), kReady.data(), kReady.size(), MSG_NOSIGNAL));
}

int run() {
  const Settings settings = Settings::from_environment();
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGINT);
  ::sigaddset(&ends, SIGTERM);
  // Before any thread is: only one of them takes signals.
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  const FileServer files(settings);
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // The library would let several servers have one port without a word.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_keep_alive_max_count(1000);
  server.set_keep_alive_timeout(kIdle);
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
  server.set_payload_max_length(0);
  // Not by a pattern of paths: those of the library are regular expressions.
  server.set_pre_routing_handler([&](const httplib::Request& request, httplib::Response& response) {
    if (request.method == "GET" || request.method == "HEAD") {
      files.answer(request, response);
    } else {
      response.status = 405;
      response.set_header("Allow", "GET, HEAD");
    }
    return httplib::Server::HandlerResponse::Handled;
  });
  if (!server.bind_to_port(settings.host, settings.port)) {
    fmt::print(stderr, "pmx-serve: cannot listen on {}:{}\n", settings.host, settings.port);
    return 1;
  }
  fmt::print("serving {} on {}:{}\n", settings.root, settings.host, settings.port);
  std::fflush(stdout);
  tell_ready();
  std::thread([&] {
    int number = 0;
    ::sigwait(&ends, &number);
    files.wait_until_sent();
    server.stop();
  }).detach();
  return server.listen_after_bind() ? 0 : 1;
}

}  // namespace
}  // namespace pmx::serve

int main() {
  try {
    return pmx::serve::run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "pmx-serve: {}\n", error.what());
    return 1;
  }
}
