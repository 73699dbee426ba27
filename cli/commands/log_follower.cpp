#include "cli/commands/log_follower.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "cli/signals.h"

namespace pmx::cli {
namespace {

constexpr int kReconnectEvery = 1000;  // milliseconds

// As its lines are marked; pm2's name for it too. An app of that name comes first.
bool means_daemon(Context& context, const std::optional<std::string>& target) {
  const bool is_ours = target == "PMX" || target == "pmx" || target == "PM2" || target == "pm2";
  return is_ours && context.find(*target).empty();
}

}  // namespace

LogFollower::LogFollower(Context& context, LogWish wish, bool follow)
    : context_(context), wish_(std::move(wish)) {
  if (wish_.targets.empty()) sources_.emplace_back();
  for (const std::string& target : wish_.targets) {
    Source& source = sources_.emplace_back();
    if (target != "all") source.target = target;  // all may be none yet
  }
  context_.daemon();  // starts one if need be
  daemon_named_ = std::erase_if(sources_, [&](const Source& source) {
                    return means_daemon(context_, source.target);
                  }) != 0;
  for (Source& source : sources_) {
    source.client = Client::connect(context_.paths().socket());
    if (!source.client) throw Error(ErrorCode::unavailable, "the daemon has just gone");
    ask(source, follow);
    if (source.target && source.files.empty()) {
      throw Error(ErrorCode::not_found, fmt::format("{} does not exist", *source.target),
                  "pmx list shows what does");
    }
  }
}

void LogFollower::ask(Source& source, bool follow) const {
  source.files = source.client
                     ->call<protocol::Logs>({.target = source.target,
                                             .follow = follow,
                                             .events = follow && wish_.events,
                                             .messages = wish_.messages})
                     .files;
}

bool LogFollower::with_daemon() const {
  if (daemon_named_) return true;
  const bool is_all =
      wish_.targets.empty() || std::ranges::find(wish_.targets, "all") != wish_.targets.end();
  return is_all && wish_.out && wish_.err;
}

bool LogFollower::all_connected() const {
  return std::ranges::all_of(sources_,
                             [](const Source& source) { return source.client.has_value(); });
}

std::vector<LogFileEntry> LogFollower::files() const {
  std::vector<LogFileEntry> entries;
  for (const Source& source : sources_) {
    for (const protocol::Logs::File& file : source.files) {
      const bool is_err = file.stream == "err";
      if (is_err ? !wish_.err : !wish_.out) continue;
      entries.push_back({.pm_id = file.pm_id,
                         .name = file.name,
                         .stream = is_err ? LogStream::err : LogStream::out,
                         .path = file.path,
                         .date_format = file.date_format,
                         .json = file.json,
                         .name_space = file.name_space});
    }
  }
  // As pm2: with the logs of all apps, unless only one of their streams is wanted.
  if (with_daemon())
    entries.push_back({.name = "PMX", .stream = LogStream::daemon, .path = wish_.daemon_log});
  return entries;
}

std::optional<int> LogFollower::patience(bool all_connected) const {
  const int reconnect = all_connected ? -1 : kReconnectEvery;
  if (!wish_.until) return reconnect;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*wish_.until - std::chrono::system_clock::now());
  if (left.count() <= 0) return std::nullopt;
  constexpr long long kLongest = 3'600'000;
  const int until = static_cast<int>(std::min<long long>(left.count(), kLongest));
  return reconnect < 0 ? until : std::min(reconnect, until);
}

void LogFollower::run(LogView* view, const Handlers& handlers) {
  const UniqueFd signals = take_end_signals();
  take_news(view, handlers);
  for (;;) {
    std::vector<pollfd> waiting = {
        {.fd = signals.get(), .events = POLLIN, .revents = 0},
        {.fd = view != nullptr ? view->event_fd() : -1, .events = POLLIN, .revents = 0},
        // A reader that has gone (`pmx logs | head`) would be noticed only at the next line.
        {.fd = STDOUT_FILENO, .events = 0, .revents = 0}};
    for (const Source& source : sources_) {
      if (source.client) waiting.push_back({source.client->fd(), POLLIN, 0});
    }
    const bool is_whole = all_connected();
    const std::optional<int> limit = patience(is_whole);
    if (!limit) return;
    const int ready = ::poll(waiting.data(), waiting.size(), *limit);
    if (ready < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    if (waiting[0].revents != 0 || (waiting[2].revents & POLLERR) != 0) return;
    if (waiting[1].revents != 0) view->on_ready();
    const auto now = std::chrono::steady_clock::now();
    if (!is_whole && now >= next_reconnect_) {
      next_reconnect_ = now + std::chrono::milliseconds(kReconnectEvery);
      reconnect(handlers);
    }
    take_news(view, handlers);
  }
}

void LogFollower::take_news(LogView* view, const Handlers& handlers) {
  bool changed = std::exchange(reconnected_, false);
  const bool was_whole = all_connected();
  for (Source& source : sources_) {
    if (!source.client) continue;
    try {
      Client::LogNews news = source.client->log_news();
      if (news.files) source.files = std::move(news.files->files);
      changed = changed || news.files;
      if (handlers.on_events) handlers.on_events(news.events);
    } catch (const Error&) {
      source.client.reset();  // the files go on without the daemon
    }
  }
  if (was_whole && !all_connected() && handlers.on_lost) handlers.on_lost();
  if (changed && view != nullptr) view->set_files(files());
}

void LogFollower::reconnect(const Handlers& handlers) {
  for (Source& source : sources_) {
    if (source.client) continue;
    try {
      source.client = Client::connect(context_.paths().socket());
      if (!source.client) continue;
      ask(source, true);
      reconnected_ = true;
    } catch (const Error&) {
      // Not ready yet, or the target is not there yet: again in a second.
      source.client.reset();
    }
  }
  if (all_connected() && handlers.on_again) handlers.on_again();
}

}  // namespace pmx::cli
