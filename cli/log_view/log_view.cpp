#include "cli/log_view/log_view.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cli/log_view/log_history.h"

namespace pmx {
namespace {

// Per file and call: a flooded file must not keep the caller from its other work.
constexpr std::size_t kTurn = 1024 * 1024;
// Of a file that comes back, where all lines were asked for.
constexpr std::size_t kLinesOfReturned = 15;
constexpr timespec kSlowTick{0, 500'000'000};
constexpr timespec kAtOnce{0, 1};

void add_to_epoll(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl for log view");
  }
}

bool is_before(const timespec& left, const timespec& right) {
  return std::pair(left.tv_sec, left.tv_nsec) < std::pair(right.tv_sec, right.tv_nsec);
}

}  // namespace

LogView::LogView(LogViewOptions options, std::FILE* out, std::FILE* err)
    : options_(std::move(options)),
      printer_(options_, out, err),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!timer_ || !epoll_) {
    throw std::system_error(errno, std::generic_category(), "timerfd or epoll for log view");
  }
  add_to_epoll(epoll_.get(), timer_.get());
  if (watcher_.fd() >= 0) add_to_epoll(epoll_.get(), watcher_.fd());
  // The clock that file systems stamp with.
  ::clock_gettime(CLOCK_REALTIME_COARSE, &started_);
}

LogView::~LogView() {
  for (auto& [path, item] : items_) printer_.flush(item->line, item->entry, true);
  printer_.finish_turn();
}

void LogView::set_files(std::vector<LogFileEntry> files) {
  std::set<std::string> named;
  std::size_t width = 0;
  for (LogFileEntry& entry : files) {
    // Devices and FIFOs have nothing to show, and inotify would tell of everybody's writes to
    // /dev/null.
    std::error_code error;
    const auto type = std::filesystem::status(entry.path, error).type();
    const bool is_device = type != std::filesystem::file_type::regular &&
                           type != std::filesystem::file_type::not_found &&
                           type != std::filesystem::file_type::unknown;
    if (is_device || !named.insert(entry.path).second) continue;
    width = std::max(width, label_of(entry).size());
    auto& item = items_[entry.path];
    if (item != nullptr) {
      item->entry = std::move(entry);
      continue;
    }
    item = std::make_unique<Item>(Item{entry, FollowedFile(entry.path), {}});
    // Before its end is looked up: a change in between is then seen twice, not never.
    watcher_.watch(entry.path);
    if (!has_files_) {
      if (item->file.open() == 0) {
        const off_t size = item->file.size();
        item->file.seek(std::min(item->entry.from.value_or(size), size));
        if (item->file.position() < size) unfinished_.insert(item->entry.path);
      }
    }
  }
  printer_.set_label_width(width);
  for (auto next = items_.begin(); next != items_.end();) {
    const auto item = next++;
    if (named.contains(item->first)) {
      if (has_files_ && !item->second->file.is_open()) show_new_file(*item->second);
      continue;
    }
    show_rest(*item->second);
    watcher_.forget(item->first);
    unfinished_.erase(item->first);
    items_.erase(item);
  }
  has_files_ = true;
  arm_timer();
  printer_.finish_turn();
}

void LogView::print_history() {
  std::vector<Item*> order;
  for (auto& [path, item] : items_) {
    if (item->file.is_open()) {
      order.push_back(item.get());
    } else if (const int error = item->file.open(); error != 0 && error != ENOENT) {
      printer_.notice(fmt::format("{}: {}", path, std::strerror(error)));
    }
  }
  if (options_.lines == 0U) return;
  std::stable_sort(order.begin(), order.end(), [](const Item* left, const Item* right) {
    return is_before(left->file.modified_at(), right->file.modified_at());
  });
  for (Item* item : order) {
    printer_.header(options_.lines
                        ? fmt::format("{} last {} lines:", item->entry.path, *options_.lines)
                        : fmt::format("{}:", item->entry.path));
    LogHistory(options_, printer_, item->entry, item->file, item->line).print();
    if (options_.filter.looks_at_times() && item->line.has_unknown) {
      printer_.finish_turn();
      printer_.notice(fmt::format(
          "{}: lines in it have no date (--time gives new ones one): of these, --since and --until "
          "go by when the file was begun and last written",
          item->entry.path));
    }
  }
  printer_.finish_turn();
}

void LogView::on_ready() {
  std::uint64_t expirations = 0;
  const bool is_expired = ::read(timer_.get(), &expirations, sizeof expirations) > 0;
  const bool is_slow_tick = is_expired && timer_state_ == Timer::slow;
  if (is_expired) timer_state_ = Timer::off;

  std::set<std::string> paths = watcher_.take_changes();
  paths.merge(std::exchange(unfinished_, {}));
  if (is_slow_tick && !watcher_.is_complete()) {
    watcher_.retry();
    for (const auto& [path, item] : items_) paths.insert(path);
  }
  for (const std::string& path : paths) {
    const auto found = items_.find(path);
    if (found != items_.end()) read_on(*found->second);
  }
  if (is_slow_tick) on_slow_tick();
  arm_timer();
  printer_.finish_turn();
}

void LogView::show_events(const std::vector<LogEvent>& events) {
  for (const LogEvent& event : events) printer_.event(event);
  printer_.finish_turn();
}

void LogView::show_new_file(Item& item) {
  if (item.file.open() != 0) return;
  // An instance that was scaled down and up again: its old file is history, not news.
  if (item.file.is_older_than(started_)) {
    item.file.seek(
        item.file.start_of_last_lines(item.file.size(), options_.lines.value_or(kLinesOfReturned)));
  }
  read_on(item);
}

void LogView::show_rest(Item& item) {
  item.file.read_range(item.file.position(), item.file.size(), [&](std::string_view bytes) {
    printer_.print(item.line, item.entry, bytes, true);
  });
  printer_.flush(item.line, item.entry, true);
}

void LogView::read_on(Item& item) {
  const bool has_more = item.file.follow(
      kTurn,
      [&](std::string_view bytes) {
        item.is_still = false;
        printer_.print(item.line, item.entry, bytes, true);
      },
      [&] {
        printer_.flush(item.line, item.entry, true);
        item.line = {};
      });
  if (has_more) unfinished_.insert(item.entry.path);
}

void LogView::on_slow_tick() {
  for (auto& [path, item] : items_) {
    if (item->line.held.empty()) continue;
    if (item->is_still) printer_.flush(item->line, item->entry, true);
    item->is_still = true;
  }
}

void LogView::arm_timer() {
  const bool is_holding = std::any_of(items_.begin(), items_.end(), [](const auto& entry) {
    return !entry.second->line.held.empty();
  });
  Timer wanted = Timer::off;
  if (is_holding || !watcher_.is_complete()) wanted = Timer::slow;
  if (!unfinished_.empty()) wanted = Timer::now;
  // A running one is left alone, or constant traffic would put it off for ever.
  if (wanted == timer_state_) return;
  timer_state_ = wanted;
  itimerspec when{};
  if (wanted == Timer::slow) when.it_value = kSlowTick;
  if (wanted == Timer::now) when.it_value = kAtOnce;
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

}  // namespace pmx
