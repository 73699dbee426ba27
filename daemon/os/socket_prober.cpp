#include "daemon/os/socket_prober.h"

#include <fmt/format.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cctype>
#include <chrono>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/os/command_probe.h"

namespace pmx {
namespace {

using asio::ip::tcp;
using Local = asio::local::stream_protocol;
constexpr std::chrono::seconds kForTheRest{1};
constexpr std::size_t kMostRest = 1024 * 1024;

using Done = std::function<void(const std::string&)>;

// What is shared by a question under way and whoever waits for it: `done` is empty once it has been
// answered or taken back, and every late completion finds that out.
struct Exchange : std::enable_shared_from_this<Exchange> {
  Exchange(asio::io_context& io, ListenerSet& set, ProbeQuestion asked, Done on_done)
      : question(std::move(asked)),
        done(std::move(on_done)),
        listeners(set),
        timer(io),
        socket(io),
        local(io) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() { stop_aiming(); }

  ProbeQuestion question;
  Done done;
  ListenerSet& listeners;
  asio::steady_timer timer;
  tcp::socket socket;
  Local::socket local;
  std::optional<std::uint16_t> aimed_from;
  std::string request;
  std::array<char, 13> status_line{};  // "HTTP/1.1 200 "
  std::array<char, 4096> rest{};

  void stop_aiming() {
    if (aimed_from) listeners.clear_aim(question.app_id, question.probe.port, *aimed_from);
    aimed_from.reset();
  }

  void close() {
    stop_aiming();
    timer.cancel();
    std::error_code ignored;
    socket.close(ignored);
    local.close(ignored);
  }

  void answer(const std::string& problem) {
    if (!done) return;
    const Done tell = std::exchange(done, nullptr);
    close();
    tell(problem);
  }

  void start_timer() {
    timer.expires_after(question.timeout);
    timer.async_wait([self = shared_from_this()](const std::error_code& error) {
      if (!error)
        self->answer(fmt::format("no answer within {} ms", self->question.timeout.count()));
    });
  }

  void connect_tcp() {
    const Probe& probe = question.probe;
    const asio::ip::address address = asio::ip::make_address(probe.host);
    socket.open(address.is_v4() ? tcp::v4() : tcp::v6());
    // With a port of its own before it connects, it can be led to the run that is meant.
    socket.bind({address.is_v4() ? tcp::v4() : tcp::v6(), 0});
    const std::uint16_t port = socket.local_endpoint().port();
    if (listeners.aim(question.app_id, question.run, probe.port, port)) aimed_from = port;
    socket.async_connect({address, static_cast<std::uint16_t>(probe.port)},
                         [self = shared_from_this()](const std::error_code& error) {
                           self->stop_aiming();
                           self->connected(error);
                         });
  }

  void connect_unix() {
    local.async_connect(
        Local::endpoint(question.probe.path),
        [self = shared_from_this()](const std::error_code& error) { self->connected(error); });
  }

  void connected(const std::error_code& error) {
    if (!done) return;
    if (error || question.probe.kind != Probe::Kind::http) {
      answer(error ? error.message() : "");
      return;
    }
    const Probe& probe = question.probe;
    const bool ipv6 = probe.host.find(':') != std::string::npos;
    request = fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}{}{}:{}\r\nUser-Agent: pmx\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n",
        probe.path, ipv6 ? "[" : "", probe.host, ipv6 ? "]" : "", probe.port);
    asio::async_write(socket, asio::buffer(request),
                      [self = shared_from_this()](const std::error_code& failed, std::size_t) {
                        if (failed) self->answer(failed.message());
                      });
    asio::async_read(socket, asio::buffer(status_line),
                     [self = shared_from_this()](const std::error_code& failed, std::size_t) {
                       if (!self->done) return;
                       if (failed) {
                         self->answer(failed == asio::error::eof ? "closed without an answer"
                                                                 : failed.message());
                       } else {
                         self->judge_status();
                       }
                     });
  }

  // RFC 9112 4: "HTTP/" DIGIT "." DIGIT SP 3DIGIT SP
  void judge_status() {
    const std::string_view line(status_line.data(), status_line.size());
    int status = 0;
    for (const char c : line.substr(9, 3)) {
      if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
        answer("the answer is not HTTP");
        return;
      }
      status = status * 10 + (c - '0');
    }
    if (!line.starts_with("HTTP/1.")) {
      answer("the answer is not HTTP/1");
    } else if (status < 200 || status >= 400) {
      answer(fmt::format("status {}", status));
    } else {
      take_rest();
      const Done tell = std::exchange(done, nullptr);
      tell("");
    }
  }

  // Closing with the rest of the answer unread would look like a broken connection to the server.
  void take_rest() {
    timer.expires_after(kForTheRest);
    timer.async_wait([self = shared_from_this()](const std::error_code& error) {
      if (!error) self->close();
    });
    read_rest(kMostRest);
  }

  void read_rest(std::size_t left) {
    socket.async_read_some(asio::buffer(rest), [self = shared_from_this(), left](
                                                   const std::error_code& error, std::size_t size) {
      if (error || size >= left) {
        self->close();
      } else {
        self->read_rest(left - size);
      }
    });
  }
};

class PendingExchange : public PendingProbe {
 public:
  explicit PendingExchange(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  PendingExchange(const PendingExchange&) = delete;
  PendingExchange& operator=(const PendingExchange&) = delete;
  ~PendingExchange() override {
    if (std::exchange(exchange_->done, nullptr)) exchange_->close();
  }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace

std::unique_ptr<PendingProbe> SocketProber::ask(ProbeQuestion question, Done done) {
  if (question.probe.kind == Probe::Kind::exec)
    return run_command_probe(io_, question, std::move(done));
  auto exchange = std::make_shared<Exchange>(io_, listeners_, std::move(question), std::move(done));
  exchange->start_timer();
  try {
    if (exchange->question.probe.kind == Probe::Kind::unix_stream) {
      exchange->connect_unix();
    } else {
      exchange->connect_tcp();
    }
  } catch (const std::system_error& error) {
    asio::post(io_, [exchange, text = std::string(error.what())] { exchange->answer(text); });
  }
  return std::make_unique<PendingExchange>(std::move(exchange));
}

}  // namespace pmx
