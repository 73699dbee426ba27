#include "cli/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "cli/render/list_table.h"
#include "cli/render/text_width.h"

namespace pmx::cli {
namespace {

constexpr int kSchema = 1;

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

struct Output::Report {
  nlohmann::json object;
  bool is_streaming = false;
};

Output::Output()
    : colours_(wants_colours(STDOUT_FILENO)),
      error_colours_(wants_colours(STDERR_FILENO)),
      width_(terminal_width()) {}

void Output::use_json(const std::string& command) {
  report_ = std::make_shared<Report>();
  report_->object = {{"schema", kSchema}, {"command", command}};
}

void Output::stream() const {
  if (report_) report_->is_streaming = true;
}

void Output::finish(int exit_code) const {
  if (!report_ || (report_->is_streaming && exit_code == 0)) return;
  report_->object["ok"] = exit_code == 0;
  report_->object["exit_code"] = exit_code;
  for (const char* list : {"done", "warnings", "errors"}) {
    if (!report_->object.contains(list)) report_->object[list] = nlohmann::json::array();
  }
  // What is not UTF-8 is replaced.
  write(stdout,
        report_->object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void Output::info(std::string_view text) const {
  if (!silent_ && !report_) write(stdout, one_line("[PMX]", text, colours_, Colour::green));
}

void Output::done(const InstanceStatus& instance) const {
  if (report_)
    report_->object["done"].push_back({{"name", instance.name},
                                       {"namespace", instance.name_space},
                                       {"pm_id", instance.pm_id},
                                       {"pid", instance.pid},
                                       {"status", to_string(instance.state)},
                                       {"restart_time", instance.restarts}});
  info(fmt::format("[{}]({}) ✓", instance.name, instance.pm_id));
}

void Output::remark(std::string_view text) const {
  std::fflush(stdout);
  if (!silent_ && !report_) write(stderr, one_line("[PMX]", text, error_colours_, Colour::green));
}

void Output::warn(std::string_view text) const {
  std::fflush(stdout);
  if (report_) report_->object["warnings"].push_back(text);
  if (!silent_) write(stderr, one_line("[PMX][WARN]", text, error_colours_, Colour::yellow));
}

void Output::error(std::string_view text, std::string_view hint) const {
  add_error("failed", text, hint);
  print_error(text, hint);
}

void Output::error(const Error& error) const {
  add_error(to_string(error.code()), error.what(), error.hint());
  print_error(error.what(), error.hint());
}

void Output::usage_error(std::string_view text, std::string_view hint) const {
  add_error("usage", text, hint);
  print_error(text, hint);
}

void Output::add_error(std::string_view kind, std::string_view text, std::string_view hint) const {
  if (report_)
    report_->object["errors"].push_back({{"kind", kind}, {"message", text}, {"hint", hint}});
}

void Output::print_error(std::string_view text, std::string_view hint) const {
  std::fflush(stdout);
  for (;;) {  // an error may bring several lines, e.g. the end of the daemon's log
    const std::size_t end = text.find('\n');
    write(stderr, one_line("[PMX][ERROR]", text.substr(0, end), error_colours_, Colour::red));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (!hint.empty()) write(stderr, fmt::format("             {}\n", printable(hint)));
}

void Output::payload(std::string_view text) const {
  if (!report_ || report_->is_streaming) {
    write(stdout, text);
    return;
  }
  nlohmann::json& output = report_->object["output"];
  output = (output.is_string() ? output.get<std::string>() : std::string()) + std::string(text);
}

void Output::data(const std::string& key, const std::string& json) const {
  if (report_) report_->object[key] = nlohmann::json::parse(json);
}

void Output::data(const std::string& object) const {
  if (report_) report_->object.update(nlohmann::json::parse(object));
}

void Output::text(std::string_view text) const {
  if (report_) {
    payload(text);
  } else if (!silent_) {
    write(stdout, text);
  }
}

void Output::list(const std::vector<InstanceStatus>& instances) const {
  if (!silent_ && !report_) write(stdout, list_table(instances, {width_, colours_, wall_now()}));
  warn_of_problems(instances);
}

void Output::mini_list(const std::vector<InstanceStatus>& instances) const {
  if (!silent_ && !report_)
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
  if (!silent_ && !report_) write(stdout, table.render(width_, colours_));
}

WallMillis wall_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

}  // namespace pmx::cli
