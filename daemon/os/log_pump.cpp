#include "daemon/os/log_pump.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace pmx {
namespace {

// Per source and turn: one flooding app delays the others by this much, no more.
constexpr std::size_t kBurst = 256 * 1024;
constexpr int kLinesPipe = 256 * 1024;
constexpr int kEventsPerTurn = 64;
constexpr int kDetachAttempts = 2;
constexpr timespec kRetryPeriod{1, 0};
constexpr std::uint64_t kWakeId = 0;
constexpr std::uint64_t kTimerId = 1;
constexpr std::uint64_t kFirstId = 2;

[[noreturn]] void fail(const char* operation) {
  throw std::system_error(errno, std::generic_category(), operation);
}

bool epoll_add(int epoll, int fd, std::uint32_t events, std::uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

LogTicket::LogTicket(Post post, std::function<void()> done)
    : post_(std::move(post)), done_(std::move(done)) {}

LogTicket::~LogTicket() {
  if (done_) post_(std::move(done_));
}

LogPump::LogPump(int wake, std::function<void(std::string)> report)
    : report_(std::move(report)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      next_id_(kFirstId) {
  if (!epoll_) fail("epoll_create1 for logs");
  if (!timer_) fail("timerfd_create for logs");
  if (!epoll_add(epoll_.get(), wake, EPOLLIN, kWakeId) ||
      !epoll_add(epoll_.get(), timer_.get(), EPOLLIN, kTimerId)) {
    fail("epoll_ctl for logs");
  }
}

void LogPump::attach(int pm_id, UniqueFd pipe, const std::string& path, const LogStyle& style,
                     const char* type) {
  if (!pipe) return;
  ::fcntl(pipe.get(), F_SETFL, O_NONBLOCK);
  // Best effort: the longest line is half of it.
  if (!style.is_raw()) ::fcntl(pipe.get(), F_SETPIPE_SZ, kLinesPipe);
  const Id id = next_id_++;
  Source& source = sources_[id];
  source.pm_id = pm_id;
  source.pipe = std::move(pipe);
  if (!style.is_raw()) source.framer.emplace(style, pm_id, type);
  source.target = target_for(path);
  const std::shared_ptr<Target> target = source.target;
  if (target->error != 0) return;
  // At once, not at the first byte: people expect the files to be there.
  if (const int error = target->file.open(); error != 0) {
    block(target, error);
  } else {
    watch(id, source);
  }
}

void LogPump::detach(int pm_id, const LogTicketPtr& ticket) {
  for (const Id id : sources_of(pm_id)) {
    Source& source = sources_.at(id);
    source.is_leaving = true;
    source.leave_at = source.moved + bytes_in_pipe(source.pipe.get());
    source.attempts_left = kDetachAttempts;
    source.waiters.push_back({source.leave_at, ticket});
    const std::shared_ptr<Target> target = source.target;
    // Space may have been made since the last tick.
    target->error != 0 ? retry(target) : serve(id);
  }
}

void LogPump::end_line(int pm_id) {
  for (const Id id : sources_of(pm_id)) {
    if (sources_.at(id).framer) serve(id, true);
  }
}

void LogPump::drain(int pm_id, const LogTicketPtr& ticket) {
  for (const Id id : sources_of(pm_id)) {
    Source& source = sources_.at(id);
    source.waiters.push_back({source.moved + bytes_in_pipe(source.pipe.get()), ticket});
    serve(id);
  }
}

void LogPump::truncate(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    // By path: after an external rotation the open file is another one. EINVAL: not a regular file.
    if (::truncate(path.c_str(), 0) != 0 && errno != ENOENT && errno != ENOTDIR &&
        errno != EINVAL) {
      report_(fmt::format("cannot empty {}: {}", path, std::strerror(errno)));
    }
  }
  retry_all_blocked();
}

void LogPump::reopen() {
  for (const auto& target : all_targets()) {
    target->file.close();
    if (target->error != 0) continue;
    if (const int error = target->file.open(); error != 0) block(target, error);
  }
  retry_all_blocked();
}

void LogPump::finish() {
  retry_all_blocked();
  while (!sources_.empty()) {
    const Id id = sources_.begin()->first;
    Source& source = sources_.begin()->second;
    const std::uint64_t until = source.moved + bytes_in_pipe(source.pipe.get());
    while (source.target->error == 0 && source.moved < until) {
      const auto moved = move(source, std::size_t(until - source.moved), false);
      source.moved += moved.bytes;
      if (moved.bytes == 0) break;
    }
    remove(id);
  }
}

bool LogPump::run_once() {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, -1);
  if (count < 0) {
    if (errno == EINTR) return false;
    fail("epoll_wait for logs");
  }
  bool is_woken = false;
  for (int i = 0; i < count; ++i) {
    const Id id = events[static_cast<std::size_t>(i)].data.u64;
    if (id == kWakeId) {
      is_woken = true;
    } else if (id == kTimerId) {
      tick();
    } else if (sources_.contains(id)) {
      serve(id);
    } else {
      // A FIFO or tty that was full takes bytes again.
      for (const auto& target : all_targets()) {
        if (target->id == id && target->error != 0) retry(target);
      }
    }
  }
  return is_woken;
}

std::shared_ptr<LogPump::Target> LogPump::target_for(const std::string& path) {
  std::weak_ptr<Target>& known = targets_[path];
  if (auto target = known.lock()) return target;
  auto target = std::make_shared<Target>(Target{next_id_++, LogFile(path)});
  known = target;
  return target;
}

LogFile::Moved LogPump::move(Source& source, std::size_t limit, bool all) {
  LogFile& file = source.target->file;
  if (!source.framer) return file.move_from(source.pipe.get(), limit);
  return file.move_lines_from(source.pipe.get(), limit, *source.framer, all);
}

// Removes the source if this was its last burst.
void LogPump::serve(Id id, bool end_line) {
  Source& source = sources_.at(id);
  const std::shared_ptr<Target> target = source.target;
  if (target->error != 0) return;
  const LogFile::Moved moved = move(source, kBurst, end_line || source.is_leaving);
  source.moved += moved.bytes;
  // What stays in the pipe must not wake us again and again; after a burst there may be more.
  if (source.framer && source.is_watched && moved.bytes > 0) rearm(id, source);
  if (moved.ended) {
    // Without a writer epoll would report the hang-up for ever.
    source.has_ended = true;
    unwatch(source);
  }
  const bool is_empty = source.has_ended || (moved.error == 0 && moved.bytes == 0);
  // Of a FIFO that is full, the file still holds the end of a line that has left the pipe.
  const bool is_stuck = moved.error == EAGAIN;
  std::erase_if(source.waiters, [&](const Waiter& waiter) {
    return is_empty || (!is_stuck && source.moved >= waiter.until);
  });
  if (source.is_leaving && (is_empty || (!is_stuck && source.moved >= source.leave_at))) remove(id);
  if (moved.error != 0) block(target, moved.error);
}

void LogPump::watch(Id id, Source& source) {
  if (source.is_watched || source.has_ended) return;
  const std::uint32_t events = source.framer ? EPOLLIN | EPOLLET : EPOLLIN;
  source.is_watched = epoll_add(epoll_.get(), source.pipe.get(), events, id);
  if (!source.is_watched) {
    report_(fmt::format("cannot watch the output of instance {}: {}", source.pm_id,
                        std::strerror(errno)));
  }
}

// An event comes at once if there are bytes.
void LogPump::rearm(Id id, const Source& source) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = id;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, source.pipe.get(), &event);
}

void LogPump::unwatch(Source& source) {
  if (!source.is_watched) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, source.pipe.get(), nullptr);
  source.is_watched = false;
}

void LogPump::block(const std::shared_ptr<Target>& target, int error) {
  if (error == EAGAIN) {
    // Slow, not broken: the target itself tells when it is ready. One that cannot is always ready.
    epoll_event event{};
    event.events = EPOLLOUT | EPOLLONESHOT;
    event.data.u64 = target->id;
    const int fd = target->file.fd();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0 &&
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
      return;
    }
  } else {
    target->failed_lately = true;
    target->file.close();
    if (!target->is_reported) {
      target->is_reported = true;
      report_(fmt::format("cannot write {}: {}; the output waits and is tried again each second",
                          target->file.path(), std::strerror(error)));
    }
  }
  target->error = error;
  for (const Id id : sources_of(*target)) unwatch(sources_.at(id));
  set_timer(true);
}

void LogPump::unblock(const std::shared_ptr<Target>& target) {
  for (const Id id : sources_of(*target)) watch(id, sources_.at(id));
}

void LogPump::retry(const std::shared_ptr<Target>& target) {
  target->error = 0;
  if (const int error = target->file.open(); error != 0) return block(target, error);
  for (const Id id : sources_of(*target)) {
    serve(id);
    if (target->error != 0) return;
  }
  unblock(target);
}

void LogPump::retry_all_blocked() {
  for (const auto& target : all_targets()) {
    if (target->error != 0) retry(target);
  }
}

void LogPump::tick() {
  std::uint64_t expirations = 0;
  if (::read(timer_.get(), &expirations, sizeof expirations) < 0) return;
  for (const auto& target : all_targets()) {
    // A whole period without failure, or a disk that is full time and again would be reported each
    // time.
    if (target->is_reported && target->error == 0 && !target->failed_lately) {
      target->is_reported = false;
      report_(fmt::format("{} is written again", target->file.path()));
    }
    target->failed_lately = false;
  }
  retry_all_blocked();
  std::vector<Id> given_up;
  for (auto& [id, source] : sources_) {
    if (source.is_leaving && source.target->error != 0 && --source.attempts_left <= 0) {
      given_up.push_back(id);
    }
  }
  for (const Id id : given_up) {
    give_up(sources_.at(id));
    remove(id);
  }
  bool is_needed = false;
  for (const auto& target : all_targets()) {
    is_needed = is_needed || target->error != 0 || target->is_reported;
  }
  set_timer(is_needed);
}

void LogPump::give_up(Source& source) {
  const std::size_t lost = bytes_in_pipe(source.pipe.get());
  if (lost == 0) return;
  report_(fmt::format("dropped the last {} bytes of instance {} for {}: {}", lost, source.pm_id,
                      source.target->file.path(), std::strerror(source.target->error)));
}

void LogPump::remove(Id id) {
  // The keeper holds the same open pipe, so closing our descriptor would not take it out of epoll.
  unwatch(sources_.at(id));
  sources_.erase(id);
  std::erase_if(targets_, [](const auto& entry) { return entry.second.expired(); });
}

void LogPump::set_timer(bool on) {
  if (on == is_timer_on_) return;
  itimerspec when{};
  if (on) when.it_value = when.it_interval = kRetryPeriod;
  if (::timerfd_settime(timer_.get(), 0, &when, nullptr) != 0) fail("timerfd_settime for logs");
  is_timer_on_ = on;
}

// Without those on their way out: their number may be in use by the next run already.
std::vector<LogPump::Id> LogPump::sources_of(int pm_id) const {
  std::vector<Id> found;
  for (const auto& [id, source] : sources_) {
    if (source.pm_id == pm_id && !source.is_leaving) found.push_back(id);
  }
  return found;
}

std::vector<LogPump::Id> LogPump::sources_of(const Target& target) const {
  std::vector<Id> found;
  for (const auto& [id, source] : sources_) {
    if (source.target.get() == &target) found.push_back(id);
  }
  return found;
}

std::vector<std::shared_ptr<LogPump::Target>> LogPump::all_targets() const {
  std::vector<std::shared_ptr<Target>> found;
  for (const auto& [path, known] : targets_) {
    if (auto target = known.lock()) found.push_back(std::move(target));
  }
  return found;
}

}  // namespace pmx
