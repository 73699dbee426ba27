#include "cli/log_view/line_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/date_pattern.h"

namespace pmx {
namespace {

constexpr std::size_t kMaxHeld = 64 * 1024;
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kDefaultColour = "\x1b[39m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kNotDim = "\x1b[22m";
constexpr std::string_view kHighlight = "\x1b[100m";
constexpr std::string_view kDefaultBackground = "\x1b[49m";

void write(std::FILE* file, std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), file);
}

}  // namespace

LinePrinter::LinePrinter(const LogViewOptions& options, std::FILE* out, std::FILE* err)
    : options_(options), out_(out), err_(err) {}

std::string LinePrinter::label(const LogFileEntry& entry) {
  return fmt::format("{}|{}", entry.pm_id, entry.name);
}

void LinePrinter::print(LineState& state, const LogFileEntry& entry, std::string_view bytes,
                        bool is_live) {
  if (options_.raw) return print_raw(entry, bytes);
  while (!bytes.empty()) {
    if (std::exchange(state.was_flushed, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t newline = bytes.find('\n');
    const std::size_t length = std::min({newline, bytes.size(), kMaxHeld - state.held.size()});
    const std::string_view piece = bytes.substr(0, length);
    bytes.remove_prefix(length);
    const bool is_finished = length == newline;
    if (is_finished) bytes.remove_prefix(1);
    if (is_finished && state.held.empty()) {
      print_line(entry, piece, is_live);
      continue;
    }
    state.held += piece;
    if (is_finished || state.held.size() == kMaxHeld) {
      print_line(entry, state.held, is_live);
      state.held.clear();
      state.was_flushed = !is_finished;
    }
  }
}

void LinePrinter::flush(LineState& state, const LogFileEntry& entry) {
  if (state.held.empty()) return;
  print_line(entry, state.held, false);
  state.held.clear();
  state.was_flushed = true;
}

void LinePrinter::header(const std::string& text) {
  if (!is_at_line_start_) write(out_, "\n");
  write(out_, options_.colour ? fmt::format("{}{}{}\n", kDim, text, kNotDim) : text + "\n");
  is_at_line_start_ = true;
}

void LinePrinter::notice(const std::string& text) { write(err_, text + "\n"); }

void LinePrinter::finish_turn() {
  std::fflush(out_);
  std::fflush(err_);
}

void LinePrinter::print_raw(const LogFileEntry& entry, std::string_view bytes) {
  if (entry.stream == LogStream::err) return write(err_, bytes);
  write(out_, bytes);
  if (!bytes.empty()) is_at_line_start_ = bytes.back() == '\n';
}

void LinePrinter::print_line(const LogFileEntry& entry, std::string_view line, bool is_live) {
  if (options_.record) return write(out_, options_.record(entry, line));
  line_.clear();
  if (is_live && options_.timestamp) {
    const std::string now = format_date(*options_.timestamp, std::chrono::system_clock::now());
    line_ += options_.colour ? fmt::format("{}{}{} ", kDim, now, kNotDim) : now + " ";
  }
  if (options_.colour) line_ += entry.stream == LogStream::err ? kRed : kGreen;
  line_ += fmt::format("{:<{}}  | ", label(entry), label_width_);
  if (options_.colour) line_ += kDefaultColour;
  append_highlighted(line);
  line_ += '\n';
  write(out_, line_);
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
