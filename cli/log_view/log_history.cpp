#include "cli/log_view/log_history.h"

#include <sys/stat.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "cli/log_view/old_log_reader.h"
#include "common/sys/old_logs.h"

namespace pmx {
namespace {

LogTime time_of(const timespec& time) {
  return LogTime(std::chrono::duration_cast<LogTime::duration>(
      std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)));
}

struct KeptLine {
  std::string text;
  std::optional<LogTime> time;
};

}  // namespace

// A file that was put aside, or the present one (empty path).
struct LogHistory::Part {
  std::string old_path;
};

LogHistory::LogHistory(const LogViewOptions& options, LinePrinter& printer,
                       const LogFileEntry& entry, const FollowedFile& file, LineState& state)
    : options_(options), printer_(printer), entry_(entry), file_(file), state_(state) {}

void LogHistory::print() {
  if (options_.lines) {
    print_last(*options_.lines);
  } else {
    print_all();
  }
}

// Lines are not older than the last change of their file.
bool LogHistory::is_too_old(const std::string& path) const {
  struct stat status {};
  return options_.filter.since && ::stat(path.c_str(), &status) == 0 &&
         time_of(status.st_mtim) < *options_.filter.since;
}

void LogHistory::read(const Part& part, const LinePrinter::Take& take) {
  // Without a time of its own a line is as old as its file can be.
  const bool is_old = !part.old_path.empty();
  const LogFilter& filter = options_.filter;
  state_.unknown_is_wanted = is_old
                                 ? !is_too_old(part.old_path)
                                 : !filter.since || time_of(file_.modified_at()) >= *filter.since;
  if (filter.until) {
    timespec until{};
    until.tv_sec = std::chrono::system_clock::to_time_t(*filter.until) + 1;
    if (!is_old && file_.is_younger_than(until)) state_.unknown_is_wanted = false;
  }
  const auto bytes = [&](std::string_view text) {
    printer_.split(state_, entry_, text, false, take);
  };
  if (is_old) {
    if (!read_old_log(part.old_path, bytes))
      printer_.notice(part.old_path + ": not all of it can be read");
  } else {
    file_.read_range(0, file_.position(), bytes);
  }
  // Shown though unfinished: it may be the last words of a crash.
  printer_.split_rest(state_, entry_, false, take);
}

void LogHistory::print_all() {
  const auto print = [&](const LogLine& line) { printer_.print_line(entry_, line); };
  for (const std::string& old : sys::old_logs_of(entry_.path)) {
    if (!is_too_old(old)) read({old}, print);
  }
  read({}, print);
}

void LogHistory::print_last(std::size_t wanted) {
  const off_t begin = file_.start_of_last_lines(file_.position(), wanted);
  std::vector<std::string> old_logs = sys::old_logs_of(entry_.path);
  if (!options_.filter.is_active() && (begin > 0 || old_logs.empty())) {
    file_.read_range(begin, file_.position(),
                     [&](std::string_view bytes) { printer_.print(state_, entry_, bytes, false); });
    return printer_.flush(state_, entry_, false);
  }
  // From the newest file backwards, until there are enough.
  std::vector<Part> parts;
  for (std::string& old : old_logs) parts.push_back({std::move(old)});
  parts.push_back({});
  std::deque<KeptLine> lines;
  while (!parts.empty() && lines.size() < wanted) {
    const Part part = std::move(parts.back());
    parts.pop_back();
    if (!part.old_path.empty() && is_too_old(part.old_path)) break;
    const std::size_t missing = wanted - lines.size();
    std::deque<KeptLine> kept;
    read(part, [&](const LogLine& line) {
      kept.push_back({std::string(line.text), line.time});
      if (kept.size() > missing) kept.pop_front();
    });
    lines.insert(lines.begin(), std::make_move_iterator(kept.begin()),
                 std::make_move_iterator(kept.end()));
    state_.last_time.reset();
  }
  for (const KeptLine& line : lines) printer_.print_line(entry_, {line.text, line.time, false});
}

}  // namespace pmx
