// NodePrimary and SocketListeners against real Node workers.
#include "daemon/cluster/node_primary.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/component/node_bench.h"

using namespace pmx;
using namespace pmx::test;

namespace {

const std::string kHello = R"(
const http = require('http');
http.createServer((q, s) => s.end('w' + process.pid)).listen(PORT, 'HOST');
)";

// For its lifetime this process gets no further descriptor.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const UniqueFd lowest_free = duplicate(STDIN_FILENO);
    const rlimit none{static_cast<rlim_t>(lowest_free.get()), before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("workers share one port") {
  with_each_node([](Bench& bench) {
    int port = 0;
    claim_port(port, false).reset();
    const std::string app =
        bench.script(with(with(kHello, "PORT", std::to_string(port)), "HOST", "127.0.0.1"));
    Worker first(bench, app, 1);
    Worker second(bench, app, 2);
    Worker third(bench, app, 3);
    for (Worker* worker : {&first, &second, &third}) {
      REQUIRE(worker->wait_listening());
      CHECK(worker->online);
      CHECK(worker->primary->listening());
      CHECK(worker->last_address == "127.0.0.1");
      CHECK(worker->last_port == port);
    }
    CHECK(bench.stored.size() == 1);
    // The kernel wakes anyone: stopped workers leave the work to the one that runs.
    for (Worker* worker : {&first, &second, &third}) {
      for (Worker* other : {&first, &second, &third})
        ::kill(other->pid(), other == worker ? SIGCONT : SIGSTOP);
      CHECK(get(connect_tcp(port)) == "w" + std::to_string(worker->pid()));
    }
  });
}

TEST_CASE("a port that somebody else has is an error event in the app") {
  with_each_node([](Bench& bench) {
    int port = 0;
    const UniqueFd foreign = claim_port(port, true);
    Worker worker(bench,
                  bench.script(with(R"(
      require('net').createServer().on('error', e => process.send(e.code)).listen(PORT, '127.0.0.1');
      process.on('message', () => {});)",
                                    "PORT", std::to_string(port))),
                  1);
    CHECK(worker.wait_message("\"EADDRINUSE\""));
    CHECK(bench.stored.empty());
    CHECK_FALSE(worker.primary->listening());
  });
}

TEST_CASE("ephemeral ports: the n-th server of each worker shares the n-th port") {
  with_each_node([](Bench& bench) {
    const std::string app = bench.script(R"(
      const net = require('net');
      const a = net.createServer().listen(0, () => {
        const b = net.createServer().listen(0, () => process.send([a.address().port, b.address().port]));
      });)");
    Worker first(bench, app, 1);
    Worker second(bench, app, 2);
    REQUIRE(bench.eventually(
        [&] { return first.messages.size() == 1 && second.messages.size() == 1; }));
    CHECK(first.messages == second.messages);
    CHECK(first.messages[0].find(",0") == std::string::npos);
    CHECK(bench.stored.size() == 2);
  });
}

TEST_CASE(
    "two servers of one worker: other port yes, same port no, again after close yes; dual stack") {
  with_each_node([](Bench& bench) {
    int port = 0;
    claim_port(port, false).reset();
    Worker worker(bench,
                  bench.script(with(R"(
      const http = require('http');
      const a = http.createServer((q, s) => s.end('a')).listen(PORT, () => {
        http.createServer().on('error', e => {
          process.send(e.code);
          a.close(() => http.createServer((q, s) => s.end('again')).listen(PORT, () => process.send('again')));
        }).listen(PORT);
      });
      http.createServer().listen(0, '127.0.0.1');)",
                                    "PORT", std::to_string(port))),
                  1);
    CHECK(worker.wait_message("\"EADDRINUSE\""));
    CHECK(worker.wait_message("\"again\""));
    CHECK(get(connect_tcp(port)) == "again");
    CHECK(worker.primary->snapshot() ==
          "ol\ntcp:*:" + std::to_string(port) + "\ntcp:127.0.0.1:0:4:#0");
    UniqueFd six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    address.sin6_addr = in6addr_loopback;
    if (::connect(six.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      CHECK(get(std::move(six)) == "again");
    } else {
      std::puts("no IPv6 here: dual stack not tested");
    }
  });
}

TEST_CASE("listen({fd}) is refused") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      require('net').createServer().on('error', e => process.send(e.code)).listen({fd: 5});
      process.on('message', () => {});)"),
                  1);
    CHECK(worker.wait_message("\"EINVAL\""));
    REQUIRE(worker.problems.size() == 1);
    CHECK(worker.problems[0].find("a descriptor of the primary") != std::string::npos);
  });
}

TEST_CASE("Unix path: shared, permissions, stale one replaced, removed with the app") {
  with_each_node([](Bench& bench) {
    const std::string path = bench.path("s");
    {
      const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      path.copy(address.sun_path, sizeof(address.sun_path) - 1);
      REQUIRE(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
              0);
    }
    const std::string app = bench.script(with(R"(
      require('http').createServer((q, s) => s.end('unix')).listen({path: 'PATH', writableAll: true});)",
                                              "PATH", path));
    Worker first(bench, app, 1);
    Worker second(bench, app, 2);
    REQUIRE(first.wait_listening());
    REQUIRE(second.wait_listening());
    CHECK(get(connect_unix(path)) == "unix");
    struct stat file {};
    REQUIRE(::stat(path.c_str(), &file) == 0);
    CHECK((file.st_mode & 0222) == 0222);
    // Somebody who serves the path keeps it.
    ListenRequest request;
    request.kind = ListenRequest::Kind::unix_stream;
    request.address = path;
    CHECK(bench.listeners->acquire(kApp + 1, {9, 1}, "other", request).error == EADDRINUSE);
    bench.listeners->close_app(kApp);
    CHECK(::stat(path.c_str(), &file) != 0);
    CHECK(bench.stored.empty());
  });
}

TEST_CASE("UDP") {
  with_each_node([](Bench& bench) {
    const std::string app = bench.script(R"(
      const s = require('dgram').createSocket('udp4');
      s.on('message', (m, from) => s.send('echo ' + m, from.port, from.address));
      s.bind(0, '127.0.0.1', () => process.send(s.address().port));)");
    Worker first(bench, app, 1);
    Worker second(bench, app, 2);
    REQUIRE(bench.eventually(
        [&] { return first.messages.size() == 1 && second.messages.size() == 1; }));
    CHECK(first.messages == second.messages);
    UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(std::stoi(first.messages[0]));
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
            0);
    REQUIRE(::send(client.get(), "x", 1, 0) == 1);
    pollfd poll{client.get(), POLLIN, 0};
    REQUIRE(::poll(&poll, 1, 20000) == 1);
    char buffer[16];
    const ssize_t size = ::recv(client.get(), buffer, sizeof(buffer), 0);
    REQUIRE(size > 0);
    CHECK(std::string(buffer, static_cast<std::size_t>(size)) == "echo x");
  });
}

TEST_CASE("TLS: all workers get the first one's ticket keys") {
  with_each_node([](Bench& bench) {
    const std::string app = bench.script(R"(
      const s = require('tls').createServer().listen(0, '127.0.0.1', () => process.send(s.getTicketKeys().toString('hex')));)");
    Worker first(bench, app, 1);
    Worker second(bench, app, 2);
    REQUIRE(bench.eventually(
        [&] { return first.messages.size() == 1 && second.messages.size() == 1; }));
    CHECK(first.messages == second.messages);
    CHECK(bench.stored.begin()->second == "{\"ticketKeys\":" + first.messages[0] + "}");
  });
}

TEST_CASE("what the app sees: cluster.worker, messages both ways") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      const c = require('cluster');
      process.on('message', m => process.send({echo: m}));
      process.send([c.isWorker, c.worker.id, typeof process.env.NODE_CHANNEL_FD, process.connected]);
      process.send('ready');)"),
                  12);
    CHECK(worker.wait_message("[true,12,\"undefined\",true]"));
    CHECK(worker.wait_message("\"ready\""));
    CHECK(worker.primary->send_message("{\n\"a\":\t\"\\n\"}\n"));
    CHECK(worker.wait_message("{\"echo\":{\"a\":\"\\n\"}}"));
    CHECK_FALSE(worker.primary->send_message("{\"cmd\":\"NODE_HANDLE_ACK\"}"));
    CHECK_FALSE(worker.primary->send_message("x"));
    CHECK_FALSE(worker.primary->send_message("\n"));
    const std::string big = "\"" + std::string(900000, 'b') + "\"";
    CHECK(worker.primary->send_message(big));
    CHECK(worker.wait_message("{\"echo\":" + big + "}"));
  });
}

TEST_CASE("fork mode: messages only, no cluster") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      process.on('message', m => process.send({echo: m}));
      process.send(require('cluster').isWorker);)"),
                  1, false);
    CHECK(worker.wait_message("false"));
    CHECK(worker.primary->send_message("1"));
    CHECK(worker.wait_message("{\"echo\":1}"));
    CHECK_FALSE(worker.primary->disconnect());
    CHECK_FALSE(worker.primary->online());
  });
}

TEST_CASE("disconnect: the channel closes after the request in flight") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      let open;
      require('http').createServer((q, s) => { open = s; process.send('request'); })
        .listen(0, '127.0.0.1', function () { process.send(this.address().port); });
      process.on('message', () => open.end('finished'));)"),
                  1);
    REQUIRE(worker.wait_listening());
    const UniqueFd client = connect_tcp(worker.last_port);
    send_get(client.get());
    REQUIRE(worker.wait_message("\"request\""));
    CHECK(worker.primary->disconnect());
    CHECK(worker.primary->expected_exit());
    // It has closed its server and waits for the request.
    REQUIRE(bench.eventually([&] { return worker.primary->snapshot() == "olx"; }));
    CHECK(worker.closed_reason.empty());
    CHECK(worker.primary->send_message("\"go on\""));
    REQUIRE(worker.wait_closed());
    CHECK(worker.closed_reason == "the worker closed it");
    CHECK(worker.primary->closed());
    CHECK_FALSE(worker.primary->send_message("1"));
    CHECK(read_body(client.get(), 0).find("finished") != std::string::npos);
    CHECK(worker.wait_exit() == 0);
  });
}

TEST_CASE("worker.disconnect() is acknowledged and makes the exit an expected one") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      require('net').createServer().listen(0, '127.0.0.1', () => require('cluster').worker.disconnect());)"),
                  1);
    REQUIRE(worker.wait_closed());
    CHECK(worker.primary->expected_exit());
    CHECK(worker.wait_exit() == 0);
  });
}

TEST_CASE("a socket that the app sends is acknowledged, closed, counted and told") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      const net = require('net');
      const server = net.createServer(c => {
        const n = server.n = (server.n | 0) + 1;
        process.send(n == 1 ? JSON.parse('['.repeat(300) + ']'.repeat(300)) : {n}, c);
      });
      server.listen(0, '127.0.0.1');)"),
                  1);
    REQUIRE(worker.wait_listening());
    for (std::uint64_t n = 1; n <= 12;
         ++n) {  // without the ACK node would hold back the second one
      const UniqueFd client = connect_tcp(worker.last_port);
      // The first is nested too deeply for us, and no reason to leave the worker waiting.
      REQUIRE(bench.eventually([&] { return worker.primary->handles_closed() == n; }));
      CHECK(worker.got("{\"n\":" + std::to_string(n) + "}") == (n > 1));
      pollfd poll{client.get(), POLLIN, 0};
      CHECK(::poll(&poll, 1, 20000) == 1);
      char byte = 0;
      CHECK(::recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0);
    }
    REQUIRE(worker.problems.size() == 2);
    CHECK(worker.problems[0].find("sent a socket by process.send()") != std::string::npos);
    CHECK(worker.problems[1].find("sent 10 sockets by process.send()") != std::string::npos);
  });
}

TEST_CASE("a message that only looks like a handle gets no answer, which would kill the worker") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      process.on('message', m => process.send(m));
      process.send({cmd: 'NODE_HANDLE'});
      process.send({cmd: 'NODE_HANDLE', type: 'net.Native', msg: 'inner'});
      process.send('sent');)"),
                  1);
    REQUIRE(worker.wait_message("\"sent\""));
    CHECK(worker.primary->send_message("\"still there\""));
    CHECK(worker.wait_message("\"still there\""));
    CHECK_FALSE(worker.got("\"inner\""));
    CHECK(worker.problems.empty());
  });
}

TEST_CASE(
    "a socket from the app that our descriptor limit keeps out is refused, which Node knows") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      const server = require('net').createServer(c => process.send('socket', c));
      server.listen(0, '127.0.0.1');
      process.on('warning', w => process.send(w.name));)"),
                  1);
    REQUIRE(worker.wait_listening());
    {
      const UniqueFd client = connect_tcp(worker.last_port);
      const NoMoreDescriptors limit;
      // It is sent again three times, then given up.
      REQUIRE(worker.wait_message("\"SentHandleNotReceivedWarning\""));
      pollfd poll{client.get(), POLLIN, 0};
      CHECK(::poll(&poll, 1, 20000) == 1);
    }
    CHECK_FALSE(worker.got("\"socket\""));
    REQUIRE(worker.problems.size() == 1);
    CHECK(worker.problems[0].find("limit of open files") != std::string::npos);
    const UniqueFd client = connect_tcp(worker.last_port);
    CHECK(worker.wait_message("\"socket\""));
  });
}

TEST_CASE("a worker at its descriptor limit gets an error, not silence") {
  with_each_node([](Bench& bench) {
    Worker worker(bench, bench.script(R"(
      const fs = require('fs');
      const open = [];
      const server = require('net').createServer();
      server.on('error', e => { open.forEach(f => fs.closeSync(f)); process.send(e.code); });
      process.on('message', () => {
        try { for (;;) open.push(fs.openSync('/dev/null')); } catch (e) { server.listen(0, '127.0.0.1'); }
      });
      process.send('started');)"),
                  1);
    REQUIRE(worker.wait_message("\"started\""));
    const rlimit few{100, 100};
    REQUIRE(::prlimit(worker.pid(), RLIMIT_NOFILE, &few, nullptr) == 0);
    CHECK(worker.primary->send_message("1"));
    CHECK(worker.wait_message("\"EMFILE\""));
    CHECK(worker.running());
  });
}

TEST_CASE("adoption: a new primary on a kept duplicate goes on") {
  with_each_node([](Bench& bench) {
    int port = 0;
    claim_port(port, false).reset();
    Worker worker(bench,
                  bench.script(with(R"(
      const http = require('http');
      const first = http.createServer((q, s) => process.send({request: 1}, () => s.end('served'))).listen(PORT, '127.0.0.1');
      process.on('message', m => {
        process.send({got: m});
        http.createServer().on('error', e => process.send(e.code)).listen(PORT, '127.0.0.1');
        http.createServer().listen(0, '127.0.0.1');
      });)",
                                    "PORT", std::to_string(port))),
                  1);
    REQUIRE(worker.wait_listening());
    const std::string snapshot = worker.primary->snapshot();
    const std::string key = bench.stored.begin()->first;
    UniqueFd socket = duplicate(bench.listeners->acquire(kApp, {0, 1}, key, {}).fd);
    worker.primary.reset();
    bench.listeners.emplace(SocketListeners::Events{});
    CHECK(get(connect_tcp(port)) == "served");  // nobody is the primary now
    // Of the message about that request the old daemon had read only the beginning: the rest is
    // garbage to the new one.
    char begin[5];
    const UniqueFd dup = worker.dup();
    REQUIRE(::recv(dup.get(), begin, sizeof(begin), MSG_WAITALL) == sizeof(begin));
    CHECK(worker.messages.empty());

    bench.listeners->restore({.app_id = kApp, .key = key}, std::move(socket));
    worker.adopt(worker.dup(), true, NodePrimary::kSequenceStep);
    worker.primary->restore(snapshot);
    CHECK(worker.primary->listening());
    CHECK(worker.primary->snapshot() == snapshot);
    CHECK(worker.primary->send_message("1"));
    CHECK(worker.wait_message("\"EADDRINUSE\""));
    CHECK(worker.wait_listening(2));
    CHECK(get(connect_tcp(port)) == "served");
    CHECK(worker.primary->disconnect());
    REQUIRE(worker.wait_closed());
    CHECK(worker.wait_exit() == 0);
  });
}
