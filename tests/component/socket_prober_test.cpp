// SocketProber: what it makes of answers, and that one that is taken back tells nothing.
#include "daemon/os/socket_prober.h"

#include <doctest/doctest.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fake_ports.h"

using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

// A server that the test answers for.
struct Bench {
  asio::io_context io;
  pmx::test::FakeListenerSet listeners;
  pmx::SocketProber prober{io, listeners};
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  tcp::socket server{io};
  std::vector<std::string> answers;

  std::unique_ptr<pmx::PendingProbe> ask(std::chrono::milliseconds timeout = 20s) {
    pmx::ProbeQuestion question;
    question.probe.kind = pmx::Probe::Kind::http;
    question.probe.host = "127.0.0.1";
    question.probe.port = acceptor.local_endpoint().port();
    question.probe.path = "/health";
    question.timeout = timeout;
    auto pending = prober.ask(std::move(question),
                              [this](const std::string& problem) { answers.push_back(problem); });
    acceptor.accept(server);
    return pending;
  }
  // Until the question has been read.
  void hear() {
    std::optional<std::size_t> size;
    std::array<char, 4096> text{};
    server.async_read_some(asio::buffer(text),
                           [&](const std::error_code&, std::size_t heard) { size = heard; });
    while (!size) io.run_one();
    CHECK(std::string_view(text.data(), *size).starts_with("GET /health HTTP/1.1\r\n"));
  }
  void say(const std::string& text) { asio::write(server, asio::buffer(text)); }
  void run_until_answered() {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (answers.empty() && io.run_one_until(deadline) > 0) {
    }
  }
};

}  // namespace

TEST_CASE("what an answer means") {
  const auto problem_of = [](const std::string& text) {
    Bench bench;
    const auto pending = bench.ask();
    bench.hear();
    bench.say(text);
    bench.server.close();
    bench.run_until_answered();
    REQUIRE(bench.answers.size() == 1);
    return bench.answers.front();
  };
  CHECK(problem_of("HTTP/1.1 200 OK\r\n\r\n").empty());
  CHECK(problem_of("HTTP/1.0 302 Found\r\n\r\n").empty());
  CHECK(problem_of("HTTP/1.1 503 Service Unavailable\r\n\r\n") == "status 503");
  CHECK(problem_of("HTTP/2.0 200 OK\r\n\r\n") == "the answer is not HTTP/1");
  CHECK(problem_of("SSH-2.0-OpenSSH_9.2p1\r\n") == "the answer is not HTTP");
  CHECK(problem_of("HTTP/1.1") == "closed without an answer");
}

TEST_CASE("no answer in time") {
  Bench bench;
  const auto pending = bench.ask(50ms);
  bench.run_until_answered();
  CHECK(bench.answers == std::vector<std::string>{"no answer within 50 ms"});
}

TEST_CASE("taken back at any moment") {
  for (int turns = 0; turns < 20; ++turns) {
    CAPTURE(turns);
    Bench bench;
    auto pending = bench.ask();
    // There before it is read: what has been read waits for its turn behind others'.
    bench.say("HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < turns && bench.answers.empty(); ++i) bench.io.run_one_for(1ms);
    const std::size_t answered = bench.answers.size();
    pending.reset();
    bench.io.poll();
    CHECK(bench.answers.size() == answered);
  }
}
