#include "daemon/control/session.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/write.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/error.h"
#include "common/protocol/envelope.h"
#include "common/protocol/framing.h"

namespace pmx {
namespace {

constexpr std::size_t kLargeBytes = std::size_t{128} << 10U;
constexpr std::size_t kMaxEventsAtOnce = 256;

}  // namespace

Session::Session(asio::io_context& io, asio::local::stream_protocol::socket socket,
                 ControlContext& context)
    : io_(io),
      socket_(std::move(socket)),
      context_(context),
      dispatcher_(context),
      wake_writer_(io),
      wake_follower_(io),
      sent_(io),
      turn_(io) {}

void Session::queue(std::string line, std::function<void()> when_sent) {
  if (closing_) return;
  line += '\n';
  queued_bytes_ += line.size();
  if (queued_bytes_ > kMaxQueuedBytes) {
    context_.log("a client does not read its answers; it is disconnected");
    close();
    return;
  }
  outgoing_.push_back({std::move(line), std::move(when_sent)});
  wake_writer_.notify_all();
}

void Session::close() {
  if (std::exchange(closing_, true)) return;
  std::error_code ignored;
  socket_.cancel(ignored);
  wake_writer_.notify_all();
  wake_follower_.notify_all();
  sent_.notify_all();
}

awaitable<void> Session::read() {
  const auto self = shared_from_this();
  protocol::LineBuffer lines(protocol::kMaxRequestBytes);
  std::array<char, 16384> block;
  while (!closing_) {
    const auto buffer = asio::buffer(block);
    const auto [error, count] = co_await socket_.async_read_some(buffer, no_throw);
    if (error) break;
    if (!lines.append(std::string_view(block.data(), count))) {
      const Error too_long(
          ErrorCode::invalid_request,
          fmt::format("a request is at most {} bytes long", protocol::kMaxRequestBytes));
      queue(protocol::error_line(std::nullopt, too_long));
      break;
    }
    while (!closing_) {
      std::optional<std::string> line = lines.next();
      if (!line) break;
      Call call;
      call.progress = [this, &call](const protocol::Progress& progress) {
        protocol::Json params;
        to_json(params, progress);
        params["id"] = call.id;
        queue(protocol::notification_line("progress", params));
      };
      call.follow_logs = [this, &call](const protocol::Logs::Request& request) {
        if (request.events) next_event_ = context_.supervisor.last_event() + 1;
        if (request.events && request.messages) listens_ = context_.supervisor.listen();
        follow_target_ = request.target;
        follow_id_ = call.id;
        following_logs_ = true;
        files_are_old_ = true;
      };
      call.follow_list = [this, &call] {
        list_id_ = call.id;
        list_is_old_ = false;
        following_list_ = true;
      };
      busy_ = true;
      const bool large = line->size() > kLargeBytes;
      std::string answer = co_await dispatcher_.dispatch(std::move(*line), call);
      busy_ = false;
      // The memory of one large command is not kept for the next.
      if (large || answer.size() > kLargeBytes) ::malloc_trim(0);
      queue(std::move(answer), std::move(call.after_reply));
      if (following_logs_ || following_list_) wake_follower_.notify_all();
      // Answers wait for the client, and so do its next requests.
      while (queued_bytes_ > kLargeBytes && !closing_) co_await sent_.wait();
      // One request a turn: a client that floods delays only itself.
      turn_.expires_after(std::chrono::seconds(0));
      co_await turn_.async_wait(no_throw);
    }
  }
  closing_ = true;
  wake_writer_.notify_all();
  wake_follower_.notify_all();
}

awaitable<void> Session::write() {
  const auto self = shared_from_this();
  for (;;) {
    while (outgoing_.empty() && !closing_) co_await wake_writer_.wait();
    if (outgoing_.empty()) break;
    Outgoing next = std::move(outgoing_.front());
    outgoing_.pop_front();
    const auto buffer = asio::buffer(next.bytes);
    const auto [error, count] = co_await asio::async_write(socket_, buffer, no_throw);
    queued_bytes_ -= next.bytes.size();
    sent_.notify_all();
    wake_follower_.notify_all();
    if (next.when_sent) next.when_sent();
    if (error) {
      closing_ = true;
      outgoing_.clear();
      sent_.notify_all();
    }
  }
  std::error_code ignored;
  socket_.shutdown(asio::local::stream_protocol::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

awaitable<void> Session::follow() {
  const auto self = shared_from_this();
  while (!closing_) {
    // Never before the answer.
    if (following_logs_ && !busy_) {
      if (std::exchange(files_are_old_, false)) tell_log_files();
      // What does not go out waits at the supervisor, for a while.
      while (queued_bytes_ < kLargeBytes && tell_events()) {
      }
    }
    if (following_list_ && !busy_) tell_list();
    co_await wake_follower_.wait();
  }
}

bool Session::tell_events() {
  const Supervisor& supervisor = context_.supervisor;
  if (!next_event_ || *next_event_ > supervisor.last_event()) return false;
  const std::deque<Supervisor::ProcessEvent>& events = supervisor.events();
  protocol::Logs::Events news;
  const std::uint64_t first = events.empty() ? supervisor.last_event() + 1 : events.front().number;
  if (first > *next_event_) {
    news.missed = first - *next_event_;
    next_event_ = first;
  }
  std::size_t bytes = 0;
  auto event = events.begin() + static_cast<std::ptrdiff_t>(*next_event_ - first);
  for (; event != events.end() && bytes < kLargeBytes && news.events.size() < kMaxEventsAtOnce;
       ++event) {
    if (!concerns(*event)) continue;
    bytes += event->message.size();
    protocol::Logs::Event& one = news.events.emplace_back();
    one.pm_id = event->pm_id;
    one.name = event->name;
    one.event = event->event;
    one.at = event->at;
    if (!listens_) continue;
    one.name_space = event->name_space;
    one.reason = event->reason;
    one.by_operator = event->by_operator;
    one.message = event->message;
    if (event->instance) one.instance = *event->instance;
  }
  next_event_ = event == events.end() ? supervisor.last_event() + 1 : event->number;
  if (news.events.empty() && news.missed == 0) return true;
  protocol::Json params;
  to_json(params, news);
  params["id"] = follow_id_;
  queue(protocol::notification_line(protocol::Logs::happened, params));
  return true;
}

bool Session::concerns(const Supervisor::ProcessEvent& event) const {
  const bool is_of_app = event.pm_id >= 0;
  const bool is_message = event.event == std::string_view("message");
  if (!listens_ && (is_message || !is_of_app)) return false;
  return !follow_target_ || !is_of_app || followed_.contains(event.pm_id);
}

void Session::tell_log_files() {
  protocol::Logs::Response files;
  try {
    files = log_files(context_.supervisor, follow_target_);
    for (const protocol::Logs::File& file : files.files) followed_.insert(file.pm_id);
  } catch (const Error&) {
    // The target has gone; it may come back.
  }
  protocol::Json params;
  to_json(params, files);
  params["id"] = follow_id_;
  std::string line = protocol::notification_line(protocol::Logs::changed, params);
  if (line == last_files_) return;
  if (!last_files_.empty()) queue(line);
  last_files_ = std::move(line);
}

void Session::tell_list() {
  if (!list_is_old_) return;
  following_list_ = false;
  queue(protocol::notification_line(protocol::List::changed, {{"id", list_id_}}));
}

}  // namespace pmx
