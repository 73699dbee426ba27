#include "cli/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "cli/render/list_table.h"
#include "cli/render/text_width.h"

namespace pmx::cli {
namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool wants_colours(int fd) {
  if (is_set("NO_COLOR")) return false;
  const char* forced = std::getenv("FORCE_COLOR");
  if (forced != nullptr) return std::string_view(forced) != "0";
  const char* terminal = std::getenv("TERM");
  return ::isatty(fd) == 1 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::optional<std::size_t> terminal_width() {
  if (::isatty(STDOUT_FILENO) != 1) return std::nullopt;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* columns = std::getenv("COLUMNS")) {
    const std::string_view text = columns;
    std::size_t width = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), width);
    if (parsed.ec == std::errc{} && width > 0) return width;
  }
  return 80;
}

void write(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
}

// Messages may quote names of apps, so what could steer the terminal is made visible.
std::string one_line(std::string_view prefix, std::string_view text, bool colours, Colour colour) {
  return fmt::format("{} {}\n",
                     colours ? coloured(std::string(prefix), colour) : std::string(prefix),
                     printable(text));
}

}  // namespace

Output::Output()
    : colours_(wants_colours(STDOUT_FILENO)),
      error_colours_(wants_colours(STDERR_FILENO)),
      width_(terminal_width()) {}

void Output::info(std::string_view text) const {
  if (!silent_) write(stdout, one_line("[PMX]", text, colours_, Colour::green));
}

void Output::done(const InstanceStatus& instance) const {
  info(fmt::format("[{}]({}) ✓", instance.name, instance.pm_id));
}

void Output::remark(std::string_view text) const {
  std::fflush(stdout);
  if (!silent_) write(stderr, one_line("[PMX]", text, error_colours_, Colour::green));
}

void Output::warn(std::string_view text) const {
  std::fflush(stdout);
  if (!silent_) write(stderr, one_line("[PMX][WARN]", text, error_colours_, Colour::yellow));
}

void Output::error(std::string_view text, std::string_view hint) const {
  std::fflush(stdout);
  for (;;) {  // an error may bring several lines, e.g. the end of the daemon's log
    const std::size_t end = text.find('\n');
    write(stderr, one_line("[PMX][ERROR]", text.substr(0, end), error_colours_, Colour::red));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (!hint.empty()) write(stderr, fmt::format("             {}\n", printable(hint)));
}

void Output::payload(std::string_view text) const { write(stdout, text); }

void Output::text(std::string_view text) const {
  if (!silent_) write(stdout, text);
}

void Output::list(const std::vector<InstanceStatus>& instances) const {
  if (silent_) return;
  write(stdout, list_table(instances, {width_, colours_, wall_now()}));
  warn_of_problems(instances);
}

void Output::mini_list(const std::vector<InstanceStatus>& instances) const {
  if (silent_) return;
  write(stdout, cli::mini_list(instances, {width_, colours_, wall_now()}));
  warn_of_problems(instances);
}

namespace {

std::string log_remark(const InstanceStatus& one) {
  if (one.log_dropped == 0) return one.log_problem;
  const std::string dropped = fmt::format("{} bytes had no room and are lost", one.log_dropped);
  return one.log_problem.empty() ? dropped : one.log_problem + "; " + dropped;
}

}  // namespace

void Output::warn_of_problems(const std::vector<InstanceStatus>& instances) const {
  std::set<std::string> told;  // instances of an app have the same
  for (const InstanceStatus& one : instances) {
    for (const auto& [what, problem] :
         {std::pair("watch", one.watch_problem), {"logs", log_remark(one)}}) {
      const std::string text = fmt::format("{}: {}: {}", one.name, what, problem);
      if (!problem.empty() && told.insert(text).second) warn(text);
    }
  }
}

void Output::table(const Table& table) const {
  if (!silent_) write(stdout, table.render(width_, colours_));
}

WallMillis wall_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

}  // namespace pmx::cli
