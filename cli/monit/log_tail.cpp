#include "cli/monit/log_tail.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace pmx::cli::monit {
namespace {

constexpr std::size_t kHistory = 500;         // lines of each file
constexpr off_t kMostAtOnce = 1024 * 1024;    // bytes of a file
constexpr std::size_t kMostHeld = 64 * 1024;  // bytes of a line without an end

}  // namespace

void LogTail::set_files(int pm_id, const std::string& out_path, const std::string& error_path) {
  if (pm_id == pm_id_ && out_path == out_path_ && error_path == error_path_) return;
  pm_id_ = pm_id;
  out_path_ = out_path;
  error_path_ = error_path;
  for (const auto& file : files_) watcher_.forget(file->path);
  files_.clear();
  lines_.clear();
  if (!out_path.empty()) open(LogStream::out, out_path);
  if (!error_path.empty() && error_path != out_path) open(LogStream::err, error_path);
  // What was written last is at the bottom.
  std::stable_sort(files_.begin(), files_.end(), [](const auto& left, const auto& right) {
    const timespec first = left->file.modified_at();
    const timespec second = right->file.modified_at();
    return std::pair(first.tv_sec, first.tv_nsec) < std::pair(second.tv_sec, second.tv_nsec);
  });
  for (const auto& file : files_) begin(*file);
}

void LogTail::open(LogStream stream, const std::string& path) {
  // Devices and FIFOs have nothing to show, and inotify would tell of everybody's writes to /dev/null.
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::not_found)
    return;
  files_.push_back(
      std::make_unique<File>(File{stream, path, FollowedFile(path), {}, false, false}));
  // Before its end is looked up: what comes in between is then read, not missed.
  watcher_.watch(path);
  files_.back()->file.open();
}

void LogTail::begin(File& file) {
  if (!file.file.is_open()) return;
  file.file.seek(file.file.start_of_last_lines(file.file.size(), kHistory));
  read(file);
}

void LogTail::on_ready() {
  const std::set<std::string> changed = watcher_.take_changes();
  for (const auto& file : files_) {
    if (changed.contains(file->path)) read(*file);
  }
}

void LogTail::tick() {
  const bool is_complete = watcher_.is_complete();
  if (!is_complete) watcher_.retry();
  for (const auto& file : files_) {
    if (!is_complete || file->has_more) read(*file);
    if (file->is_still) flush(*file);
    file->is_still = !file->unfinished.empty();
  }
}

void LogTail::read(File& file) {
  FollowedFile& followed = file.file;
  if (followed.is_open() && followed.size() - followed.position() > kMostAtOnce) {
    flush(file);
    lines_.add(file.stream, "[pmx monit: lines left out, they come faster than they can be shown]");
    followed.seek(followed.start_of_last_lines(followed.size(), kHistory));
  }
  file.has_more = followed.follow(
      static_cast<std::size_t>(kMostAtOnce), [&](std::string_view text) { take(file, text); },
      [&] { flush(file); });
}

void LogTail::take(File& file, std::string_view bytes) {
  file.is_still = false;
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, newline);
    if (file.unfinished.size() < kMostHeld) file.unfinished += piece;
    if (newline == std::string_view::npos) return;
    lines_.add(file.stream, file.unfinished);
    file.unfinished.clear();
    bytes.remove_prefix(newline + 1);
  }
}

void LogTail::flush(File& file) {
  if (!file.unfinished.empty()) lines_.add(file.stream, file.unfinished);
  file.unfinished.clear();
}

}  // namespace pmx::cli::monit
