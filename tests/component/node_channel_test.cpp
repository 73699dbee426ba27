// NodeChannel and NodePrimary where the test plays the worker: framing, bounds, lifetimes.
#include "daemon/cluster/node_channel.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/component/node_bench.h"

using namespace pmx;
using namespace pmx::test;

namespace {

// `text`, and with its first byte `fd`, unless that is -1.
void send_with(int socket, std::string_view text, int fd = -1) {
  iovec bytes{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  REQUIRE(::sendmsg(socket, &message, 0) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_CASE("garbage is ignored, a frame in pieces is put together, descriptors reach their frame") {
  asio::io_context io;
  Pair pair = make_pair();
  std::vector<std::string> lines;
  std::vector<std::size_t> with_fd;
  std::string closed;
  NodeChannel channel(io, std::move(pair.ours),
                      {[&](std::string_view line, NodeChannel::Passed passed) {
                         if (passed.fd) with_fd.push_back(lines.size());
                         lines.emplace_back(line);
                       },
                       {},
                       [&](std::string_view reason) { closed = reason; }});
  const auto write = [&](std::string_view text, int fd = -1) {
    send_with(pair.theirs.get(), text, fd);
  };
  write("one\ntw");
  write("o\n");
  write("three\n", STDERR_FILENO);
  write("fo", STDERR_FILENO);
  io.poll();
  CHECK(lines == std::vector<std::string>{"one", "two", "three"});
  write("ur\nfive\n\n");
  write("six\n", STDERR_FILENO);
  io.poll();
  CHECK(lines == std::vector<std::string>{"one", "two", "three", "four", "five", "", "six"});
  CHECK(with_fd == std::vector<std::size_t>{2, 3, 6});
  CHECK(closed.empty());
  pair.theirs.reset();
  io.restart();
  io.poll();
  CHECK(closed == "the worker closed it");
}

TEST_CASE("a line of more than 8 MiB is passed over, its descriptor closed, and told") {
  asio::io_context io;
  Pair pair = make_pair();
  std::vector<std::string> lines;
  std::vector<bool> too_long;
  NodeChannel channel(
      io, std::move(pair.ours),
      {[&](std::string_view line, NodeChannel::Passed) { lines.emplace_back(line); },
       [&](NodeChannel::Passed passed) { too_long.push_back(bool(passed.fd)); },
       [](std::string_view) {}});
  const std::string chunk(60000, 'x');
  for (const bool with_fd : {false, true}) {
    send_with(pair.theirs.get(), "before\n{", with_fd ? STDERR_FILENO : -1);
    for (std::size_t sent = 0; sent < 2 * NodeChannel::kMaxLine; sent += chunk.size()) {
      send_with(pair.theirs.get(), chunk);
      io.poll();
    }
    CHECK(lines == std::vector<std::string>{"before"});
    send_with(pair.theirs.get(), "}\nafter\n");
    io.poll();
    CHECK(lines == std::vector<std::string>{"before", "after"});
    lines.clear();
  }
  CHECK(too_long == std::vector<bool>{false, true});
  CHECK_FALSE(channel.closed());
}

TEST_CASE(
    "the outgoing queue is bounded, whole frames and descriptors arrive once the worker reads") {
  asio::io_context io;
  Pair pair = make_pair();
  NodeChannel channel(io, std::move(pair.ours),
                      {[](std::string_view, NodeChannel::Passed) {}, {}, [](std::string_view) {}});
  const std::string line(30000, 'y');
  std::size_t accepted = 0;
  while (channel.send(line, STDERR_FILENO)) ++accepted;
  CHECK(accepted > NodeChannel::kMaxQueuedBytes / line.size());
  CHECK(accepted < 80);
  CHECK(channel.refused() == 1);
  CHECK_FALSE(channel.send(std::string(NodeChannel::kMaxQueuedBytes, 'z')));
  CHECK_FALSE(channel.send(""));

  std::size_t frames = 0;
  Pair back = make_pair();  // a second channel reads the frames
  back.ours = std::move(pair.theirs);
  REQUIRE(::fcntl(back.ours.get(), F_SETFL, O_NONBLOCK) == 0);
  NodeChannel reader(io, std::move(back.ours),
                     {[&](std::string_view text, NodeChannel::Passed passed) {
                        CHECK(text == line);
                        CHECK(passed.fd);
                        ++frames;
                      },
                      {},
                      [](std::string_view) {}});
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  while (frames < accepted && std::chrono::steady_clock::now() < end) io.run_one_for(50ms);
  CHECK(frames == accepted);
}

TEST_CASE("an event may destroy the primary") {
  asio::io_context io;
  SocketListeners listeners({});
  ConnectionHandout handout(io, listeners);
  for (const std::string text :
       {"1\n2\n", "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}\n1\n", ""}) {
    Pair pair = make_pair();
    std::unique_ptr<NodePrimary> primary;
    const std::string long_enough_for_the_heap(100, 'c');
    std::string seen;
    int calls = 0;
    const auto end = [&, long_enough_for_the_heap] {
      ++calls;
      primary.reset();
      seen = long_enough_for_the_heap;  // the event's own captures must live on
    };
    primary = std::make_unique<NodePrimary>(io, std::move(pair.ours),
                                            WorkerIdentity{kApp, {0, 1}, true, Balance::shared},
                                            listeners, handout,
                                            WorkerEvents{end,
                                                         {},
                                                         [end](std::string_view) { end(); },
                                                         [end](std::string_view) { end(); },
                                                         {},
                                                         {},
                                                         {}});
    if (text.empty()) {
      pair.theirs.reset();
    } else {
      REQUIRE(::send(pair.theirs.get(), text.data(), text.size(), 0) > 0);
    }
    io.restart();
    io.poll();
    CHECK(calls == 1);
    CHECK_FALSE(primary);
    CHECK(seen == long_enough_for_the_heap);
  }
}

TEST_CASE("snapshots: bounded, and any text may be restored") {
  asio::io_context io;
  SocketListeners listeners({});
  ConnectionHandout handout(io, listeners);
  Pair pair = make_pair();
  NodePrimary primary(io, std::move(pair.ours), WorkerIdentity{kApp, {0, 1}, true, Balance::shared},
                      listeners, handout, {});
  for (const std::string text : {"", "olx", "ol\na\nb", "x"}) {
    primary.restore(text);
    CHECK(primary.snapshot() == text);
  }
  primary.restore("o?\n\n\nk" + std::string(300, 'k') + "\nz" + std::string(300, 'z') + "\n");
  CHECK(primary.snapshot() == "o\nk" + std::string(300, 'k'));
}
