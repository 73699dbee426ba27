#include "cli/foreground/app_outputs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "common/base/error.h"

namespace pmx::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlock = std::size_t{64} << 10U;
// A line that is longer is handed on in pieces.
constexpr std::size_t kLongestHeld = std::size_t{128} << 10U;
// An unfinished line (a question, a progress bar) that has stood still for so long is shown.
constexpr std::chrono::milliseconds kStill{200};
constexpr const char* kWholeLines = "[]";  // a date of no characters: line by line, as they are

bool is_file(const std::string& path) { return !path.empty() && path != "/dev/null"; }

}  // namespace

AppOutputs::AppOutputs(std::string directory, LogFormat format, LinePrinter& printer, Outlet& out,
                       Outlet& err)
    : directory_(std::move(directory)), format_(format), printer_(printer), out_(out), err_(err) {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
  if (::mkdir(directory_.c_str(), 0700) != 0)
    throw Error(ErrorCode::permission,
                fmt::format("cannot create {}: {}", directory_, std::strerror(errno)));
}

AppOutputs::~AppOutputs() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void AppOutputs::take(AppSpec& spec) {
  // A style of the app's own is for its files; ours says whose a line is.
  const bool has_out = is_file(spec.out_file);
  const bool has_err = is_file(spec.error_file);
  const bool is_ours = !has_out && !has_err;
  const bool has_records = is_ours && format_ != LogFormat::raw;
  if (!has_out) spec.out_file = add_source(spec.name, LogStream::out, has_records);
  if (!has_err) spec.error_file = add_source(spec.name, LogStream::err, has_records);
  if (!is_ours) return;
  if (format_ != LogFormat::raw) {
    spec.log_type = "json";
    spec.log_date_format.clear();
  } else if (spec.instances > 1 && spec.log_type.empty() && spec.log_date_format.empty()) {
    spec.log_date_format = kWholeLines;
  }
}

std::string AppOutputs::add_source(const std::string& app, LogStream stream, bool has_records) {
  Source& source = sources_.emplace_back();
  source.path = fmt::format("{}/{}", directory_, sources_.size());
  source.entry.name = app;
  source.entry.stream = stream;
  source.has_records = has_records;
  if (::mkfifo(source.path.c_str(), 0600) != 0)
    throw std::system_error(errno, std::generic_category(), "mkfifo " + source.path);
  // Open for writing as well: it has no end while the daemon is started again.
  source.fd.reset(::open(source.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!source.fd) throw std::system_error(errno, std::generic_category(), "open " + source.path);
  return source.path;
}

bool AppOutputs::has(std::string_view path) const { return path.starts_with(directory_ + "/"); }

Outlet& AppOutputs::outlet_of(const Source& source) const {
  const bool is_err = source.entry.stream == LogStream::err && format_ == LogFormat::raw;
  return is_err ? err_ : out_;
}

void AppOutputs::add_to(std::vector<pollfd>& waiting) const {
  for (const Source& source : sources_) {
    if (outlet_of(source).has_room())
      waiting.push_back({.fd = source.fd.get(), .events = POLLIN, .revents = 0});
  }
}

bool AppOutputs::read() {
  std::array<char, kBlock> block;  // not initialised: clearing it would cost at every read
  bool any = false;
  for (Source& source : sources_) {
    if (!outlet_of(source).has_room()) continue;
    const ssize_t got = ::read(source.fd.get(), block.data(), block.size());
    if (got <= 0) continue;
    any = true;
    feed(source, {block.data(), static_cast<std::size_t>(got)});
  }
  return any;
}

void AppOutputs::feed(Source& source, std::string_view bytes) {
  if (format_ == LogFormat::raw && !holds_lines()) {
    outlet_of(source).write(bytes);
    return;
  }
  source.grown = Clock::now();
  const std::size_t last = bytes.rfind('\n');
  if (last == std::string_view::npos) {
    source.held += bytes;
  } else {
    std::string lines = std::exchange(source.held, std::string(bytes.substr(last + 1)));
    lines += bytes.substr(0, last + 1);
    print(source, lines);
  }
  if (source.held.size() > kLongestHeld) print(source, std::exchange(source.held, std::string()));
}

void AppOutputs::print(Source& source, std::string_view lines) {
  if (format_ == LogFormat::raw) return outlet_of(source).write(lines);
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    print_line(source, lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void AppOutputs::print_line(Source& source, std::string_view line) {
  std::string text(line);
  LogFileEntry entry = source.entry;
  const nlohmann::json record =
      source.has_records ? nlohmann::json::parse(line, nullptr, false) : nlohmann::json();
  if (record.is_object()) {
    entry.pm_id = record.value("process_id", 0);
    entry.name = record.value("app_name", entry.name);
    if (format_ == LogFormat::text) {
      text = record.value("message", text);
    } else {
      entry.json = true;
    }
  }
  if (!text.ends_with('\n')) text += '\n';
  printer_.print(source.line, entry, text, true);
}

void AppOutputs::flush_lines(bool all) {
  const auto now = Clock::now();
  for (Source& source : sources_) {
    if (source.held.empty() || (!all && (source.has_records || now < source.grown + kStill)))
      continue;
    print(source, std::exchange(source.held, std::string()));
  }
  printer_.finish_turn();
}

std::optional<Clock::time_point> AppOutputs::next_flush() const {
  std::optional<Clock::time_point> next;
  for (const Source& source : sources_) {
    if (source.held.empty() || source.has_records) continue;
    next = next ? std::min(*next, source.grown + kStill) : source.grown + kStill;
  }
  return next;
}

}  // namespace pmx::cli
