#include "cli/import/supervisord.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "cli/import/ini_file.h"
#include "common/base/error.h"
#include "common/config/words.h"
#include "common/model/signal_name.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

constexpr int kDefaultPriority = 999;
constexpr int kMaxIncludes = 256;
// Settings of supervisord that mean nothing here, or that pmx does anyhow.
constexpr auto kWithoutMeaning = std::to_array<std::string_view>(
    {"stopasgroup", "killasgroup", "serverurl", "stdout_events_enabled", "stderr_events_enabled",
     "stdout_capture_maxbytes", "stderr_capture_maxbytes", "numprocs_start"});

// Each value of a section once; what nobody has asked for is left over.
class Values {
 public:
  Values(const IniSection& section, std::map<std::string, std::string> names)
      : section_(section), names_(std::move(names)) {}

  std::optional<std::string> text(const std::string& key) {
    const auto found = section_.values.find(key);
    if (found == section_.values.end()) return std::nullopt;
    asked_.insert(key);
    return expanded(found->second);
  }
  int number(const std::string& key, int otherwise) {
    const auto value = text(key);
    if (!value) return otherwise;
    const auto parsed = parse_integer(*value);
    if (!parsed || *parsed < 0) refuse(key, "a whole number", *value);
    return *parsed;
  }
  bool flag(const std::string& key, bool otherwise) {
    std::string value = text(key).value_or(otherwise ? "true" : "false");
    std::ranges::transform(value, value.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* yes : {"true", "yes", "on", "1"}) {
      if (value == yes) return true;
    }
    for (const char* no : {"false", "no", "off", "0"}) {
      if (value == no) return false;
    }
    refuse(key, "true or false", value);
  }
  [[noreturn]] void refuse(const std::string& key, std::string_view expected,
                           const std::string& value) const {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{}: [{}] {}: expected {}, not \"{}\"", section_.file, section_.name,
                            key, expected, value));
  }
  [[nodiscard]] std::vector<std::string> left_over() const {
    std::vector<std::string> keys;
    for (const auto& [key, value] : section_.values) {
      if (asked_.count(key) == 0 &&
          std::ranges::find(kWithoutMeaning, key) == kWithoutMeaning.end())
        keys.push_back(key);
    }
    return keys;
  }

 private:
  // %(name)s, %(name)d, %(name)02d; %% is a per cent sign.
  [[nodiscard]] std::string expanded(const std::string& text) const {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] != '%') {
        out += text[at];
      } else if (text.substr(at, 2) == "%%") {
        out += '%';
        ++at;
      } else {
        const std::size_t close = text.find(')', at);
        const std::size_t kind =
            close == std::string::npos ? close : text.find_first_of("sd", close);
        if (text.substr(at, 2) != "%(" || kind == std::string::npos)
          refuse("value", "%(name)s", text);
        const std::string name = text.substr(at + 2, close - at - 2);
        const auto found = names_.find(name);
        if (found == names_.end())
          throw Error(
              ErrorCode::invalid_spec,
              fmt::format("{}: [{}]: %({})s has no value here", section_.file, section_.name, name),
              name.starts_with("ENV_") ? "set that variable for this command" : "");
        const int width = parse_integer(text.substr(close + 1, kind - close - 1)).value_or(0);
        out += text[kind] == 'd' ? fmt::format("{:0>{}}", found->second, std::clamp(width, 0, 20))
                                 : found->second;
        at = kind;
      }
    }
    return out;
  }

  const IniSection& section_;
  std::map<std::string, std::string> names_;
  std::set<std::string> asked_;
};

// KEY="value",KEY2=value2
Env variables(Values& values, const std::string& text) {
  Env env;
  std::size_t at = 0;
  const auto skip = [&](std::string_view what) {
    at = std::min(text.find_first_not_of(what, at), text.size());
  };
  for (skip(" \t\r\n,"); at < text.size(); skip(" \t\r\n,")) {
    const std::size_t equals = text.find('=', at);
    if (equals == std::string::npos) values.refuse("environment", "KEY=\"value\",...", "...");
    std::string name = text.substr(at, equals - at);
    while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back())) != 0)
      name.pop_back();
    at = equals + 1;
    std::string value;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
      const std::size_t close = text.find(text[at], at + 1);
      if (close == std::string::npos) values.refuse("environment", "a closing quote", "...");
      value = text.substr(at + 1, close - at - 1);
      at = close + 1;
    } else {
      const std::size_t end = std::min(text.find_first_of(",\n", at), text.size());
      value = text.substr(at, end - at);
      at = end;
    }
    env[name] = value;
  }
  return env;
}

std::string log_path(const std::string& value, const std::string& directory) {
  if (value == "AUTO") return {};
  if (value == "NONE") return "/dev/null";
  return (std::filesystem::path(directory) / value).lexically_normal().string();
}

class Reader {
 public:
  Reader(std::string path, const Env& environment)
      : path_(std::move(path)), environment_(environment) {}

  Imported read() {
    add_file(path_, true);
    for (const IniSection& section : sections_) {
      if (section.name.starts_with("group:")) add_group(section);
    }
    for (const IniSection& section : sections_) add_section(section);
    std::ranges::stable_sort(programs_, {}, &Program::priority);
    for (Program& program : programs_) result_.apps.push_back(std::move(program.app));
    return std::move(result_);
  }

 private:
  struct Program {
    int priority = kDefaultPriority;
    Imported::App app;
  };

  void add_file(const std::string& path, bool may_include) {
    const auto text = sys::read_file(path);
    if (!text) throw Error(ErrorCode::invalid_spec, fmt::format("{} does not exist", path));
    for (IniSection& section : read_ini(*text, path)) {
      if (section.name != "include") {
        sections_.push_back(std::move(section));
      } else if (may_include) {
        include(section);
      }
    }
  }

  // Patterns are relative to the file; what is included includes nothing.
  void include(const IniSection& section) {
    Values values(section, names_of(""));
    for (const std::string& pattern : split_words(values.text("files").value_or(""))) {
      glob_t found{};
      const std::string full = (directory() / pattern).string();
      if (::glob(full.c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc && i < kMaxIncludes; ++i)
          add_file(found.gl_pathv[i], false);
      }
      ::globfree(&found);
    }
  }

  [[nodiscard]] std::filesystem::path directory() const {
    return std::filesystem::absolute(path_).parent_path();
  }

  [[nodiscard]] std::map<std::string, std::string> names_of(const std::string& program) const {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    std::map<std::string, std::string> names{{"here", directory().string()},
                                             {"program_name", program},
                                             {"group_name", program},
                                             {"host_node_name", host.data()}};
    if (const auto group = groups_.find(program); group != groups_.end())
      names["group_name"] = group->second;
    for (const auto& [name, value] : environment_) names["ENV_" + name] = value;
    return names;
  }

  void add_group(const IniSection& section) {
    const auto found = section.values.find("programs");
    if (found == section.values.end()) return;
    std::string list = found->second;
    std::ranges::replace(list, ',', ' ');
    std::ranges::replace(list, '\n', ' ');
    for (const std::string& program : split_words(list)) groups_[program] = section.name.substr(6);
  }

  void add_section(const IniSection& section) {
    constexpr std::string_view kProgram = "program:";
    if (section.name.starts_with(kProgram)) {
      add_program(section, section.name.substr(kProgram.size()));
    } else if (section.name.starts_with("eventlistener:") ||
               section.name.starts_with("fcgi-program:")) {
      result_.remarks.push_back(
          fmt::format("[{}] is not taken over: pmx has nothing like it", section.name));
    } else if (section.name == "supervisord" && section.values.count("environment") > 0) {
      result_.remarks.emplace_back("[supervisord] environment is not taken over: set it for pmx");
    }
  }

  void add_program(const IniSection& section, const std::string& program) {
    Values counted(section, names_of(program));
    const int processes = std::max(counted.number("numprocs", 1), 1);
    const int first = counted.number("numprocs_start", 0);
    const bool by_number =
        processes > 1 && std::ranges::any_of(section.values, [](const auto& one) {
          return one.first != "process_name" &&
                 one.second.find("%(process_num)") != std::string::npos;
        });
    // Each has a command of its own: so many apps.
    for (int i = 0; i < (by_number ? processes : 1); ++i) {
      auto names = names_of(program);
      names["process_num"] = std::to_string(first + i);
      names["numprocs"] = std::to_string(processes);
      Values values(section, std::move(names));
      values.number("numprocs", 1);
      programs_.push_back(read_program(
          values, by_number ? fmt::format("{}-{}", program, first + i) : program, program));
      if (!by_number && processes > 1)
        programs_.back().app.request.instances = std::to_string(processes);
    }
  }

  Program read_program(Values& values, const std::string& name, const std::string& program) {
    Program result;
    LaunchRequest& request = result.app.request;
    AppSpec& spec = request.options;
    request.current_dir = directory().string();
    request.environment = environment_;
    request.exec_mode = ExecMode::fork;
    // As it is: no interpreter by the name of the file.
    request.interpreter = "none";
    std::string command = values.text("command").value_or("");
    std::ranges::replace(command, '\n', ' ');
    std::vector<std::string> words = split_words(command);
    if (words.empty()) values.refuse("command", "a program", command);
    request.target = words.front();
    spec.args.assign(words.begin() + 1, words.end());
    spec.name = name;
    if (const auto group = groups_.find(program); group != groups_.end())
      spec.name_space = group->second;
    request.cwd = values.text("directory");
    request.env = variables(values, values.text("environment").value_or(""));
    result.priority = values.number("priority", kDefaultPriority);
    result.app.autostart = values.flag("autostart", true);
    read_restarts(values, spec);
    read_stop(values, spec);
    if (!read_logs(values, spec, request.cwd.value_or(request.current_dir)))
      result.app.unmapped.emplace_back("redirect_stderr");
    if (const auto user = values.text("user")) spec.limits.uid = *user;
    if (const auto umask = values.text("umask")) spec.limits.umask = *umask;
    if (const auto process_name = values.text("process_name");
        process_name && *process_name != program && *process_name != name)
      result.app.unmapped.emplace_back("process_name");
    const std::vector<std::string> left = values.left_over();
    result.app.unmapped.insert(result.app.unmapped.end(), left.begin(), left.end());
    return result;
  }

  static void read_restarts(Values& values, AppSpec& spec) {
    const std::string restart = values.text("autorestart").value_or("unexpected");
    spec.min_uptime = std::chrono::seconds(values.number("startsecs", 1));
    spec.max_restarts = values.number("startretries", 3);
    const std::string codes = values.text("exitcodes").value_or("0");
    if (restart == "unexpected") {
      const auto parsed = parse_exit_codes(codes);
      if (!parsed) values.refuse("exitcodes", "numbers from 0 to 255", codes);
      spec.restart = RestartMode::on_failure;
      spec.success_exit_codes = *parsed;
      // 0 is one without being said.
      std::erase(spec.success_exit_codes, 0);
    } else {
      spec.autorestart = values.flag("autorestart", true);
    }
  }

  static void read_stop(Values& values, AppSpec& spec) {
    const std::string name = values.text("stopsignal").value_or("TERM");
    const auto number = signal_number(name);
    if (!number) values.refuse("stopsignal", "a signal's name", name);
    spec.stop_steps = {{*number, std::chrono::seconds(values.number("stopwaitsecs", 10))}};
  }

  // False: output and errors were meant to go to one file that has no name.
  static bool read_logs(Values& values, AppSpec& spec, const std::string& directory) {
    spec.out_file = log_path(values.text("stdout_logfile").value_or("AUTO"), directory);
    spec.error_file = log_path(values.text("stderr_logfile").value_or("AUTO"), directory);
    if (!values.flag("redirect_stderr", false)) return true;
    spec.error_file = spec.out_file;
    return !spec.out_file.empty();
  }

  std::string path_;
  const Env& environment_;
  std::vector<IniSection> sections_;
  std::map<std::string, std::string> groups_;  // by program
  std::vector<Program> programs_;
  Imported result_;
};

}  // namespace

Imported read_supervisord(const std::string& path, const Env& environment) {
  return Reader(path, environment).read();
}

}  // namespace pmx::cli
