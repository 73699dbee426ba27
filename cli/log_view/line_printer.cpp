#include "cli/log_view/line_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/date_parse.h"
#include "common/base/date_pattern.h"

namespace pmx {
namespace {

using Json = nlohmann::ordered_json;

// Records of log_type json are longer than what they hold.
constexpr std::size_t kMaxHeld = 64 * 1024;
constexpr std::size_t kMaxRecord = 1024 * 1024;
constexpr std::string_view kLogfmtDate = "YYYY-MM-DD-HH:mm:ssZZ";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kBlue = "\x1b[34m";
constexpr std::string_view kDefaultColour = "\x1b[39m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kNotDim = "\x1b[22m";
constexpr std::string_view kHighlight = "\x1b[100m";
constexpr std::string_view kDefaultBackground = "\x1b[49m";

void write(std::FILE* file, std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), file);
}

std::string_view colour_of(LogStream stream) {
  if (stream == LogStream::daemon) return kBlue;
  return stream == LogStream::err ? kRed : kGreen;
}

std::string text_of(const Json& record) {
  return record.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace

LinePrinter::LinePrinter(const LogViewOptions& options, std::FILE* out, std::FILE* err)
    : options_(options), out_(out), err_(err) {}

bool LinePrinter::is_byte_wise() const {
  return options_.format == LogFormat::raw && !options_.filter.is_active();
}

void LinePrinter::split(LineState& state, const LogFileEntry& entry, std::string_view bytes,
                        bool is_live, const Take& take) const {
  const std::size_t longest = entry.json ? kMaxRecord : kMaxHeld;
  while (!bytes.empty()) {
    if (std::exchange(state.was_flushed, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t newline = bytes.find('\n');
    const std::size_t length = std::min({newline, bytes.size(), longest - state.held.size()});
    const std::string_view piece = bytes.substr(0, length);
    bytes.remove_prefix(length);
    const bool is_finished = length == newline;
    if (is_finished) bytes.remove_prefix(1);
    if (is_finished && state.held.empty()) {
      offer(state, entry, piece, is_live, take);
      continue;
    }
    state.held += piece;
    if (is_finished || state.held.size() == longest) {
      offer(state, entry, state.held, is_live, take);
      state.held.clear();
      state.was_flushed = !is_finished;
    }
  }
}

void LinePrinter::split_rest(LineState& state, const LogFileEntry& entry, bool is_live,
                             const Take& take) const {
  if (state.held.empty()) return;
  offer(state, entry, state.held, is_live, take);
  state.held.clear();
  state.was_flushed = true;
}

void LinePrinter::offer(LineState& state, const LogFileEntry& entry, std::string_view text,
                        bool is_live, const Take& take) const {
  LogLine line{text, std::nullopt, is_live};
  const bool is_record = options_.format != LogFormat::text && options_.format != LogFormat::raw;
  if (is_record || options_.filter.looks_at_times()) {
    const auto own = written_at(entry, text);
    if (own) state.last_time = own;
    line.time = state.last_time;
    if (!own && is_live) line.time = std::chrono::system_clock::now();
    if (!line.time) state.has_unknown = true;
  }
  if (options_.filter.wants(line, state.unknown_is_wanted)) take(line);
}

void LinePrinter::print(LineState& state, const LogFileEntry& entry, std::string_view bytes,
                        bool is_live) {
  if (is_byte_wise()) return print_bytes(entry, bytes);
  split(state, entry, bytes, is_live, [&](const LogLine& line) { print_line(entry, line); });
}

void LinePrinter::flush(LineState& state, const LogFileEntry& entry, bool is_live) {
  split_rest(state, entry, is_live, [&](const LogLine& line) { print_line(entry, line); });
}

void LinePrinter::print_line(const LogFileEntry& entry, const LogLine& line) {
  switch (options_.format) {
    case LogFormat::text:
      return print_text(entry, line);
    case LogFormat::raw:
      print_bytes(entry, line.text);
      return print_bytes(entry, "\n");
    case LogFormat::json:
      return print_json(entry, line);
    case LogFormat::logfmt:
      return print_logfmt(entry, line);
    case LogFormat::bus:
      return print_bus(entry, line);
  }
}

void LinePrinter::event(const LogEvent& event) {
  if (options_.format != LogFormat::json) return;
  const Json record{{"timestamp", iso_utc(event.at)},
                    {"type", "process_event"},
                    {"status", event.event},
                    {"app_name", event.name},
                    {"process_id", event.pm_id}};
  write(out_, text_of(record));
}

void LinePrinter::header(const std::string& text) {
  if (options_.format != LogFormat::text && options_.format != LogFormat::raw) return;
  if (!is_at_line_start_) write(out_, "\n");
  write(out_, options_.colour ? fmt::format("{}{}{}\n", kDim, text, kNotDim) : text + "\n");
  is_at_line_start_ = true;
}

void LinePrinter::notice(const std::string& text) { write(err_, text + "\n"); }

void LinePrinter::finish_turn() {
  std::fflush(out_);
  std::fflush(err_);
}

void LinePrinter::print_bytes(const LogFileEntry& entry, std::string_view bytes) {
  if (entry.stream == LogStream::err) return write(err_, bytes);
  write(out_, bytes);
  if (!bytes.empty()) is_at_line_start_ = bytes.back() == '\n';
}

void LinePrinter::print_text(const LogFileEntry& entry, const LogLine& line) {
  line_.clear();
  if (line.is_live && options_.timestamp) {
    const std::string now = format_date(*options_.timestamp, std::chrono::system_clock::now());
    line_ += options_.colour ? fmt::format("{}{}{} ", kDim, now, kNotDim) : now + " ";
  }
  if (options_.colour) line_ += colour_of(entry.stream);
  line_ += fmt::format("{:<{}}  | ", label_of(entry), label_width_);
  if (options_.colour) line_ += kDefaultColour;
  append_highlighted(line.text);
  line_ += '\n';
  write(out_, line_);
}

void LinePrinter::print_json(const LogFileEntry& entry, const LogLine& line) {
  std::string timestamp;
  const std::string message = message_of(entry, line.text, timestamp);
  // A date that cannot be read is still better than none.
  Json when;
  if (line.time) {
    when = iso_utc(*line.time);
  } else if (!timestamp.empty()) {
    when = timestamp;
  }
  const bool is_daemon = entry.stream == LogStream::daemon;
  const Json record{{"message", message},
                    {"timestamp", when},
                    {"type", is_daemon                        ? entry.name
                             : entry.stream == LogStream::err ? "err"
                                                              : "out"},
                    {"process_id", is_daemon ? Json(entry.name) : Json(entry.pm_id)},
                    {"app_name", entry.name}};
  write(out_, text_of(record));
}

void LinePrinter::print_bus(const LogFileEntry& entry, const LogLine& line) {
  std::string ignored;
  const bool is_daemon = entry.stream == LogStream::daemon;
  const Json record{{"type", is_daemon                        ? "log:PM2"
                             : entry.stream == LogStream::err ? "log:err"
                                                              : "log:out"},
                    {"at", std::chrono::duration_cast<std::chrono::milliseconds>(
                               line.time.value_or(LogTime()).time_since_epoch())
                               .count()},
                    {"data", message_of(entry, line.text, ignored) + "\n"},
                    {"process",
                     {{"pm_id", is_daemon ? Json("PM2") : Json(entry.pm_id)},
                      {"name", is_daemon ? std::string("PM2") : entry.name},
                      {"namespace", entry.name_space}}}};
  write(out_, text_of(record));
}

void LinePrinter::print_logfmt(const LogFileEntry& entry, const LogLine& line) {
  std::string timestamp;
  const std::string message = message_of(entry, line.text, timestamp);
  if (line.time) timestamp = format_date(kLogfmtDate, *line.time);
  const bool is_daemon = entry.stream == LogStream::daemon;
  write(out_, fmt::format("timestamp={} app={} id={} type={} message={}\n",
                          timestamp.empty() ? "-" : timestamp, entry.name,
                          is_daemon ? entry.name : std::to_string(entry.pm_id),
                          is_daemon                        ? entry.name
                          : entry.stream == LogStream::err ? "error"
                                                           : "out",
                          message));
}

void LinePrinter::append_highlighted(std::string_view line) {
  const std::string& wanted = options_.highlight;
  const std::size_t at =
      options_.colour && !wanted.empty() ? line.find(wanted) : std::string_view::npos;
  if (at == std::string_view::npos) {
    line_ += line;
    return;
  }
  line_ += line.substr(0, at);
  line_ += kHighlight;
  line_ += wanted;
  line_ += kDefaultBackground;
  line_ += line.substr(at + wanted.size());
}

}  // namespace pmx
