#include "common/config/ecosystem.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/config/ecosystem_keys.h"
#include "common/config/json_values.h"
#include "common/sys/file.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kEnvPrefix = "env_";

// One problem keeps the shape of a single error; several become a list.
[[noreturn]] void report(const std::string& subject, const std::vector<std::string>& problems) {
  if (problems.size() == 1) {
    throw Error(ErrorCode::invalid_spec,
                subject.empty() ? problems[0] : fmt::format("{}: {}", subject, problems[0]));
  }
  std::string message = fmt::format(
      "{}{} problems, nothing was done:", subject.empty() ? "" : subject + ": ", problems.size());
  for (const std::string& problem : problems) message += "\n  " + problem;
  throw Error(ErrorCode::invalid_spec, message);
}

[[noreturn]] void report_syntax(std::string_view text, const std::string& file,
                                const Json::parse_error& error) {
  const std::size_t at = std::min(text.size(), error.byte == 0 ? 0 : error.byte - 1);
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = at - (before.find_last_of('\n') + 1) + 1;
  // "[json.exception...] parse error at line 1, column 2: what is wrong"
  std::string what = error.what();
  if (const std::size_t colon = what.find(": "); colon != std::string::npos) {
    what.erase(0, colon + 2);
  }
  const std::size_t last = before.find_last_not_of(" \t\r\n");
  const bool after_comma = last != std::string_view::npos && before[last] == ',' &&
                           at < text.size() && (text[at] == '}' || text[at] == ']');
  throw Error(ErrorCode::invalid_spec, fmt::format("{}:{}:{}: {}", file, line, column, what),
              after_comma ? "remove the comma before it"
                          : "names and texts stand in double quotes; comments are allowed");
}

Json parse(std::string_view text, const std::string& file) {
  try {
    return Json::parse(text, nullptr, true, true);
  } catch (const Json::parse_error& error) {
    report_syntax(text, file, error);
  } catch (const Json::exception& error) {  // a number too large for any type
    throw Error(ErrorCode::invalid_spec, fmt::format("{}: {}", file, error.what()));
  }
}

// The list of apps in a file: its "apps" or "pm2", the whole file, or one app alone.
std::vector<Json> app_entries(const Json& root, const std::string& file) {
  if (root.is_array()) return root.get<std::vector<Json>>();
  if (root.is_object()) {
    for (const char* key : {"apps", "pm2"}) {
      const auto found = root.find(key);
      if (found != root.end()) return app_entries(*found, file);
    }
    const bool is_app = std::any_of(root.items().begin(), root.items().end(), [](const auto& item) {
      const EcosystemKey* key = find_ecosystem_key(item.key());
      return key != nullptr && key->name == "script";
    });
    if (is_app) return {root};
  }
  throw Error(ErrorCode::invalid_spec, fmt::format("{}: there are no apps in it", file),
              "expected: {\"apps\": [{\"name\": \"web\", \"script\": \"server.js\"}]}");
}

class Reader {
 public:
  Reader(std::string file, const EcosystemContext& context)
      : file_(std::move(file)), context_(context) {}

  void read_app(const Json& entry, std::size_t index) {
    label_ = fmt::format("apps[{}]", index);
    if (!entry.is_object()) {
      problem(fmt::format("expected an object, not {}", values::shown(entry)));
      return;
    }
    LaunchRequest app;
    app.current_dir = context_.current_dir;
    app.environment = context_.environment;
    if (const auto name = entry.find("name"); name != entry.end() && name->is_string()) {
      label_ = fmt::format("app \"{}\"", name->get<std::string>());
    }
    for (const auto& [key, value] : entry.items()) read_key(key, value, app);
    read_chosen_env(entry, app);
    if (app.target.empty() && !has_script(entry)) problem("key \"script\" is missing");
    if (app.options.name.empty()) app.options.name = default_name(app.target);
    result_.apps.push_back(std::move(app));
  }

  Ecosystem finish() {
    if (!problems_.empty()) report(file_, problems_);
    return std::move(result_);
  }

 private:
  void problem(const std::string& text) {
    problems_.push_back(fmt::format("{}: {}", label_, text));
  }
  void warn(const std::string& text) {
    result_.warnings.push_back(fmt::format("{}: {}: {}", file_, label_, text));
  }

  static bool has_script(const Json& entry) {
    return std::any_of(entry.items().begin(), entry.items().end(), [](const auto& item) {
      const EcosystemKey* key = find_ecosystem_key(item.key());
      return key != nullptr && key->name == "script" && item.value() != "" &&
             !item.value().is_null();
    });
  }

  void read_key(const std::string& key, const Json& value, LaunchRequest& app) {
    if (const EcosystemKey* known = find_ecosystem_key(key)) {
      if (value.is_null()) return;
      if (known->name == "env") {
        read_env(key, value, app.env);
      } else if (const std::string wrong = wrong_bytes(known->name, value); !wrong.empty()) {
        problem(fmt::format("key \"{}\": expected {}", key, wrong));
      } else if (!known->set(value, app)) {
        problem(fmt::format("key \"{}\": expected {}, not {}", key, known->expected,
                            values::shown(value)));
      }
      return;
    }
    if (key.starts_with(kEnvPrefix)) return;  // of an environment that was not chosen
    if (const auto ignored = find_ignored_key(key, value)) {
      if (ignored->matters) warn(fmt::format("key \"{}\" is not supported yet, ignored", key));
      return;
    }
    const std::optional<std::string> near = nearest_ecosystem_key(key);
    warn(fmt::format("key \"{}\" is not known, ignored{}", key,
                     near ? fmt::format(" (did you mean \"{}\"?)", *near) : ""));
  }

  // What was expected instead; empty: nothing wrong.
  static std::string wrong_bytes(std::string_view key, const Json& value) {
    if (key == "namespace" && value.is_string() && has_control(value.get<std::string>()))
      return "one line without control characters";
    return values::has_nul(value) ? "text without NUL bytes" : "";
  }

  // Values may be secrets: no message shows them.
  void read_env(const std::string& key, const Json& value, Env& env) {
    if (!values::read(value, env)) {
      problem(fmt::format("key \"{}\": expected {}, not {}", key, values::expected(env),
                          values::kind(value)));
    } else if (const std::string wrong = values::env_trouble(value); !wrong.empty()) {
      problem(fmt::format("key \"{}\": expected {}", key, wrong));
    }
  }

  void read_chosen_env(const Json& entry, LaunchRequest& app) {
    if (context_.env_name.empty()) return;
    const std::string key = std::string(kEnvPrefix) + context_.env_name;
    const auto found = entry.find(key);
    if (found == entry.end()) {
      warn(fmt::format("there is no \"{}\", \"env\" alone is used", key));
      return;
    }
    Env chosen;
    read_env(key, *found, chosen);
    for (auto& [name, value] : chosen) app.env.insert_or_assign(name, std::move(value));
  }

  std::string file_;
  const EcosystemContext& context_;
  std::string label_;
  Ecosystem result_;
  std::vector<std::string> problems_;
};

}  // namespace

Ecosystem parse_ecosystem(std::string_view text, const std::string& file,
                          const EcosystemContext& context) {
  const std::vector<Json> entries = app_entries(parse(text, file), file);
  Reader reader(file, context);
  for (std::size_t index = 0; index < entries.size(); ++index) {
    reader.read_app(entries[index], index);
  }
  return reader.finish();
}

Ecosystem read_ecosystem(const std::string& path, const EcosystemContext& context) {
  if (path == "-") {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    return parse_ecosystem(text, "standard input", context);
  }
  if (path.find(".json", path.rfind('/') + 1) == std::string::npos) {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{}: only JSON configuration files are supported so far", path),
                "write it as .json; comments are allowed in it");
  }
  try {
    const std::optional<std::string> text = sys::read_file(path);
    if (!text) throw Error(ErrorCode::invalid_spec, fmt::format("{} does not exist", path));
    return parse_ecosystem(*text, path, context);
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::invalid_spec, fmt::format("cannot read {}: {}", path, error.what()));
  }
}

std::vector<AppSpec> make_app_specs(const std::vector<LaunchRequest>& apps) {
  std::vector<AppSpec> specs;
  std::vector<std::string> problems;
  for (const LaunchRequest& app : apps) {
    try {
      specs.push_back(make_app_spec(app));
    } catch (const Error& error) {
      std::string problem = fmt::format("app \"{}\": {}", app.options.name, error.what());
      if (!error.hint().empty()) problem += fmt::format(" ({})", error.hint());
      problems.push_back(std::move(problem));
    }
  }
  if (!problems.empty()) report({}, problems);
  return specs;
}

}  // namespace pmx
