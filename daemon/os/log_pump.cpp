#include "daemon/os/log_pump.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
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
constexpr std::uint64_t kRestTimerId = 2;
constexpr std::uint64_t kFirstId = 3;
// A rest in a pipe is looked at again: soon when much has just come, else once a second.
constexpr timespec kRestSoon{0, 20'000'000};
constexpr std::size_t kMuch = 64 * 1024;

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

LogPump::LogPump(int wake, Report report, Trouble trouble)
    : report_(std::move(report)),
      trouble_(std::move(trouble)),
      archive_(report_),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      rest_timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      next_id_(kFirstId) {
  if (!epoll_) fail("epoll_create1 for logs");
  if (!timer_ || !rest_timer_) fail("timerfd_create for logs");
  if (!epoll_add(epoll_.get(), wake, EPOLLIN, kWakeId) ||
      !epoll_add(epoll_.get(), timer_.get(), EPOLLIN, kTimerId) ||
      !epoll_add(epoll_.get(), rest_timer_.get(), EPOLLIN, kRestTimerId)) {
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
  source.target = target_for(path, style.limits);
  if (!style.combined.empty()) source.copy = target_for(style.combined, style.limits);
  // At once, not at the first byte: people expect the files to be there.
  const bool is_open = open_target(source.target);
  if ((!source.copy || open_target(source.copy)) && is_open) watch(id, source);
}

bool LogPump::open_target(const std::shared_ptr<Target>& target) {
  if (target->error != 0) return false;
  const int error = target->file.open();
  if (error != 0) block(target, error);
  return error == 0;
}

void LogPump::detach(int pm_id, const LogTicketPtr& ticket) {
  for (const Id id : sources_of(pm_id)) {
    Source& source = sources_.at(id);
    source.is_leaving = true;
    source.leave_at = source.moved + bytes_in_pipe(source.pipe.get());
    source.attempts_left = kDetachAttempts;
    source.waiters.push_back({source.leave_at, ticket});
    // Space may have been made since the last tick.
    const std::array<std::shared_ptr<Target>, 2> targets{source.target, source.copy};
    const bool is_blocked = source.is_blocked();
    if (!is_blocked) serve(id);
    for (const auto& target : targets) {
      if (is_blocked && target && target->error != 0) retry(target);
    }
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

void LogPump::rotate(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const auto known = targets_.find(path);
    const auto target = known != targets_.end() ? known->second.lock() : nullptr;
    if (!target || target->error != 0) continue;
    target->file.put_aside();
    after_write(*target);
  }
}

void LogPump::after_write(Target& target) {
  if (target.file.take_put_aside())
    archive_.tidy(target.file.path(), target.limits.retain, target.limits.compress);
  const std::string complaint = target.file.take_complaint();
  if (!complaint.empty())
    report_(fmt::format("cannot put {} aside: {}; it grows on", target.file.path(), complaint));
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
    while (!source.is_blocked() && source.moved < until) {
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
    } else if (id == kRestTimerId) {
      look_at_rests();
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

std::shared_ptr<LogPump::Target> LogPump::target_for(const std::string& path,
                                                     const LogLimits& limits) {
  std::weak_ptr<Target>& known = targets_[path];
  auto target = known.lock();
  if (!target) {
    target = std::make_shared<Target>(Target{next_id_++, LogFile(path)});
    known = target;
  }
  target->limits = limits;
  target->file.set_max_size(limits.max_size);
  return target;
}

LogFile::Moved LogPump::move(Source& source, std::size_t limit, bool all) {
  LogFile& file = source.target->file;
  LogFile::Moved moved;
  if (!source.framer) {
    moved = file.move_from(source.pipe.get(), limit);
  } else if (!source.copy) {
    moved = file.move_lines_from(source.pipe.get(), limit, *source.framer, all);
  } else {
    LogFile::Copy copy{source.copy->file, source.copied};
    moved = file.move_lines_from(source.pipe.get(), limit, *source.framer, all, &copy);
    after_write(*source.copy);
  }
  after_write(*source.target);
  return moved;
}

// Removes the source if this was its last burst.
void LogPump::serve(Id id, bool end_line) {
  Source& source = sources_.at(id);
  if (source.is_blocked()) {
    if (source.may_drop()) drop_excess(source);
    return;
  }
  const LogFile::Moved moved = move(source, kBurst, end_line || source.is_leaving);
  const std::shared_ptr<Target> blocked = moved.of_copy ? source.copy : source.target;
  source.moved += moved.bytes;
  // What stays in the pipe must not wake us again and again; after a burst there may be more.
  if (source.framer && source.is_watched && moved.bytes > 0) rearm(id, source);
  if (source.framer && moved.error == 0) {
    source.rest = bytes_in_pipe(source.pipe.get());
    if (source.rest > 0) arm_rest_timer(moved.bytes >= kMuch ? kRestSoon : kRetryPeriod);
  }
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
  if (moved.error != 0) block(blocked, moved.error);
}

void LogPump::arm_rest_timer(const timespec& wait) {
  itimerspec when{};
  when.it_value = wait;
  ::timerfd_settime(rest_timer_.get(), 0, &when, nullptr);
}

// The kernel does not tell of a write that fills a pipe which was not empty, and then waits for room.
void LogPump::look_at_rests() {
  std::uint64_t expirations = 0;
  if (::read(rest_timer_.get(), &expirations, sizeof expirations) < 0) return;
  std::vector<Id> grown;
  for (const auto& [id, source] : sources_) {
    if (!source.framer || source.has_ended || source.is_blocked() || source.rest == 0) continue;
    arm_rest_timer(kRetryPeriod);
    if (bytes_in_pipe(source.pipe.get()) != source.rest) grown.push_back(id);
  }
  for (const Id id : grown) serve(id);
}

void LogPump::watch(Id id, Source& source) {
  if (source.is_watched || source.has_ended) return;
  // What stays in the pipe must not wake us.
  const bool is_edge = source.framer || source.is_blocked();
  const std::uint32_t events = is_edge ? EPOLLIN | EPOLLET : EPOLLIN;
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
  for (const Id id : sources_of(*target)) {
    Source& source = sources_.at(id);
    unwatch(source);
    if (source.may_drop()) watch(id, source);
  }
  set_timer(true);
}

void LogPump::unblock(const std::shared_ptr<Target>& target) {
  for (const Id id : sources_of(*target)) {
    Source& source = sources_.at(id);
    if (source.is_blocked()) continue;
    unwatch(source);  // it may have been watched in the other way
    watch(id, source);
  }
}

void LogPump::drop_excess(Source& source) {
  const std::size_t present = bytes_in_pipe(source.pipe.get());
  const auto room = static_cast<std::size_t>(std::max(::fcntl(source.pipe.get(), F_GETPIPE_SZ), 0));
  // A pipe is full of pages, not of bytes: of short writes it holds far less.
  const std::string name = "/proc/self/fd/" + std::to_string(source.pipe.get());
  const UniqueFd write_end(::open(name.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  pollfd writable{write_end.get(), POLLOUT, 0};
  const bool is_full = write_end && ::poll(&writable, 1, 0) == 0;
  if (!is_full && present <= room / 2) return;
  std::array<char, 16384> block;
  std::uint64_t dropped = 0;
  // All of it: a writer that fills what is not empty would not wake us.
  while (dropped < std::max<std::size_t>(present, 1)) {
    const ssize_t got = ::read(source.pipe.get(), block.data(), block.size());
    if (got <= 0) break;
    dropped += static_cast<std::uint64_t>(got);
  }
  source.moved += dropped;
  source.copied -= std::min<std::size_t>(source.copied, dropped);
  source.target->file.begin_line();
  if (source.copy) source.copy->file.begin_line();
  dropped_[source.pm_id] += dropped;
}

void LogPump::tell_troubles() {
  std::map<int, State> now;
  for (const auto& [id, source] : sources_) {
    const bool has_lost = dropped_.contains(source.pm_id);
    if (!source.is_blocked() && !has_lost) continue;
    State& state = now[source.pm_id];
    if (has_lost) state.dropped = dropped_.at(source.pm_id);
    if (!source.is_blocked()) continue;
    const Target& target = source.target->error != 0 ? *source.target : *source.copy;
    const std::string why =
        target.error == EAGAIN ? "nobody reads it" : std::strerror(target.error);
    state.problem = fmt::format(
        "cannot write {}: {}; {}", target.file.path(), why,
        source.may_drop() ? "what the pipe cannot hold is dropped"
                          : "the output waits, and so does the app once its pipe is full");
  }
  for (const auto& [pm_id, state] : now) {
    if (told_[pm_id] != state) trouble_(pm_id, state.problem, state.dropped);
  }
  for (const auto& [pm_id, state] : told_) {
    if (!now.contains(pm_id)) trouble_(pm_id, "", state.dropped);
  }
  told_ = std::move(now);
}

void LogPump::retry(const std::shared_ptr<Target>& target) {
  target->error = 0;
  if (const int error = target->file.open(); error != 0) return block(target, error);
  for (const Id id : sources_of(*target)) {
    if (!sources_.at(id).is_blocked()) serve(id);
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
    if (source.is_leaving && source.is_blocked() && --source.attempts_left <= 0) {
      given_up.push_back(id);
    }
  }
  for (const Id id : given_up) {
    give_up(sources_.at(id));
    remove(id);
  }
  for (auto& [id, source] : sources_) {
    if (source.is_blocked() && source.may_drop()) drop_excess(source);
  }
  tell_troubles();
  bool is_needed = std::any_of(told_.begin(), told_.end(),
                               [](const auto& entry) { return !entry.second.problem.empty(); });
  for (const auto& target : all_targets()) {
    is_needed = is_needed || target->error != 0 || target->is_reported;
  }
  set_timer(is_needed);
}

void LogPump::give_up(const Source& source) {
  const std::size_t lost = bytes_in_pipe(source.pipe.get());
  if (lost == 0) return;
  dropped_[source.pm_id] += lost;
  const Target& target = source.target->error != 0 ? *source.target : *source.copy;
  report_(fmt::format("dropped the last {} bytes of instance {} for {}: {}", lost, source.pm_id,
                      target.file.path(), std::strerror(target.error)));
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
    if (source.target.get() == &target || source.copy.get() == &target) found.push_back(id);
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
