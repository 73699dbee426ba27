#include "common/config/ecosystem.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/config/config_document.h"
#include "common/config/ecosystem_keys.h"
#include "common/config/expansion.h"
#include "common/config/json_reader.h"
#include "common/config/json_values.h"
#include "common/config/static_server.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kEnvPrefix = "env_";
constexpr std::string_view kServe = "serve";
constexpr const char* kStatic = "static";

struct Entry {
  const Json* value;
  std::string pointer;
};

bool is_script(const std::string& key) {
  const EcosystemKey* known = find_ecosystem_key(key);
  return known != nullptr && known->name == "script";
}

// The list of apps in a file: its "apps" or "pm2", the whole file, or one app alone.
std::vector<Entry> app_entries(const Json& root, const std::string& pointer,
                               const std::string& file) {
  std::vector<Entry> entries;
  if (root.is_array()) {
    for (const Json& entry : root) entries.push_back({&entry, pointer_to(pointer, entries.size())});
    return entries;
  }
  if (root.is_object()) {
    for (const char* key : {"apps", "pm2"}) {
      const auto found = root.find(key);
      if (found != root.end()) return app_entries(*found, pointer_to(pointer, key), file);
    }
    if (root.contains(kStatic)) return entries;
    const auto items = root.items();
    if (std::any_of(items.begin(), items.end(),
                    [](const auto& item) { return is_script(item.key()); })) {
      return {{&root, pointer}};
    }
  }
  throw Error(ErrorCode::invalid_spec, fmt::format("{}: there are no apps in it", file),
              "expected: {\"apps\": [{\"name\": \"web\", \"script\": \"server.js\"}]}");
}

class Reader {
 public:
  Reader(const ConfigDocument& document, const EcosystemContext& context)
      : document_(document), context_(context) {
    for (const ConfigDocument::Problem& problem : document.problems) {
      report_.findings.push_back({true, problem.line, {}, {}, problem.text, {}, {}});
    }
  }

  void read_app(const Entry& place, std::size_t index) {
    if (!begin(place, "apps", index)) return;
    const Json& entry = *place.value;
    LaunchRequest app = new_app();
    if (const auto name = entry.find("name"); name != entry.end() && name->is_string()) {
      label_ = name->get<std::string>();
    }
    for (const auto& [key, value] : entry.items()) {
      LaunchRequest unused;
      read_key(key, value, is_repeated(entry, key) ? unused : app);
    }
    read_chosen_env(entry, app);
    if (app.target.empty() && !has_script(entry)) found(true, {}, "key \"script\" is missing");
    if (app.target == kServe && !context_.serve_program.empty())
      make_static_server(app, context_.serve_program);
    set_name(app);
    report_.lines.push_back(document_.line_of(pointer_));
    report_.ecosystem.apps.push_back(std::move(app));
  }

  // One of the list `static`, a short way of saying `script: "serve"` with its variables.
  void read_static_server(const Entry& place, std::size_t index) {
    if (!begin(place, "static", index)) return;
    const Json& entry = *place.value;
    LaunchRequest app = new_app();
    for (const auto& [key, value] : entry.items()) {
      if (value.is_null()) continue;
      const StaticServerKey answer = set_static_server_key(key, value, app);
      if (!answer.expected.empty()) wrong_value(key, answer.expected, values::kind(value));
      if (!answer.ignored.empty()) found(false, key, "is ignored: " + answer.ignored);
    }
    make_static_server(app, context_.serve_program);
    set_name(app);
    report_.lines.push_back(document_.line_of(pointer_));
    report_.ecosystem.apps.push_back(std::move(app));
  }

  void refuse_static(const std::string& pointer, const Json& value) {
    pointer_ = pointer;
    label_.clear();
    found(true, {}, fmt::format("\"static\": expected a list, not {}", values::kind(value)),
          "a list");
  }

  EcosystemReport finish() {
    std::stable_sort(
        report_.findings.begin(), report_.findings.end(),
        [](const ConfigFinding& a, const ConfigFinding& b) { return a.line < b.line; });
    return std::move(report_);
  }

 private:
  // Findings are of this entry from now on. False: it is none, which is found.
  bool begin(const Entry& place, std::string_view list, std::size_t index) {
    pointer_ = place.pointer;
    label_ = fmt::format("{}[{}]", list, index);
    if (place.value->is_object()) return true;
    found(true, {}, fmt::format("expected an object, not {}", values::shown(*place.value)),
          "an object");
    return false;
  }

  [[nodiscard]] LaunchRequest new_app() const {
    LaunchRequest app;
    app.current_dir = context_.current_dir;
    app.environment = context_.environment;
    app.options.log_limits = context_.log_limits;
    return app;
  }

  void set_name(LaunchRequest& app) {
    std::string& name = app.options.name;
    if (name.empty()) name = default_name(app.target);
    app.listed_name = name;
    if (!app.name_prefix.empty()) name = app.name_prefix + ":" + name;
    if (app.append_env_to_name && !context_.env_name.empty()) name += "-" + context_.env_name;
    if (!name.empty() && !names_.insert(name).second) {
      found(true, "name", "another app of this file has it", "a name of its own");
    }
  }

  void found(bool is_error, const std::string& key, std::string what,
             std::string_view expected = {}, std::string suggestion = {}) {
    const std::string pointer = key.empty() ? pointer_ : pointer_to(pointer_, key);
    report_.findings.push_back({is_error, document_.line_of(pointer), label_, key, std::move(what),
                                std::string(expected), std::move(suggestion)});
  }
  void wrong_value(const std::string& key, std::string_view expected, std::string_view instead) {
    found(true, key,
          instead.empty() ? fmt::format("expected {}", expected)
                          : fmt::format("expected {}, not {}", expected, instead),
          expected);
  }

  static bool has_script(const Json& entry) {
    const auto items = entry.items();
    return std::any_of(items.begin(), items.end(), [](const auto& item) {
      return is_script(item.key()) && item.value() != "" && !item.value().is_null();
    });
  }

  // Whether the same thing is said under its first name, or under another alias before this one.
  bool is_repeated(const Json& entry, const std::string& key) {
    const EcosystemKey* known = find_ecosystem_key(key);
    if (known == nullptr || known->name == key || entry.at(key).is_null()) return false;
    for (const auto& [other, value] : entry.items()) {
      if (other == key || value.is_null() || find_ecosystem_key(other) != known) continue;
      if (other != known->name && (other > key || entry.contains(known->name))) continue;
      found(false, key,
            fmt::format("is another name of \"{}\", which is there too and counts", other));
      return true;
    }
    return false;
  }

  void read_key(const std::string& key, const Json& value, LaunchRequest& app) {
    if (const EcosystemKey* known = find_ecosystem_key(key)) {
      if (value.is_null()) return;
      app.remarks.clear();
      if (known->name == "env") {
        read_env(key, value, app);
      } else if (const std::string wrong = wrong_bytes(known->name, value); !wrong.empty()) {
        wrong_value(key, wrong, {});
      } else if (!known->set(value, app)) {
        wrong_value(key, known->expected, values::shown(value));
      }
      for (const std::string& remark : app.remarks)
        found(false, key, "is ignored in part: " + remark);
      return;
    }
    if (const auto ignored = find_ignored_key(key, value)) {
      if (ignored->matters) found(false, key, fmt::format("is ignored: {}", ignored->reason));
      return;
    }
    if (key.starts_with(kEnvPrefix)) {  // checked, also if it was not chosen
      LaunchRequest unused;
      if (key != std::string(kEnvPrefix) + context_.env_name) read_env(key, value, unused);
      return;
    }
    const std::optional<std::string> near = nearest_ecosystem_key(key);
    found(false, key,
          fmt::format("is not known, ignored{}",
                      near ? fmt::format(" (did you mean \"{}\"?)", *near) : ""),
          {}, near.value_or(""));
  }

  // What was expected instead; empty: nothing wrong.
  static std::string wrong_bytes(std::string_view key, const Json& value) {
    if (key == "namespace" && value.is_string() && has_control(value.get<std::string>()))
      return "one line without control characters";
    return values::has_nul(value) ? "text without NUL bytes" : "";
  }

  // A variable whose value is in a file: {"file": "/run/secrets/db"}. The path; none: it is another.
  static std::optional<std::string> secret_file(const Json& value) {
    if (!value.is_object() || value.size() != 1) return std::nullopt;
    const auto file = value.find("file");
    if (file == value.end() || !file->is_string()) return std::nullopt;
    return file->get<std::string>();
  }

  std::string expanded(const std::string& key, const std::string& name, const std::string& text) {
    Expansion result =
        expand(text, [this](const std::string& wanted) -> std::optional<std::string> {
          const auto found = context_.environment.find(wanted);
          if (found == context_.environment.end()) return std::nullopt;
          return found->second;
        });
    if (!result.problem.empty())
      found(true, key, fmt::format("{}: expected {}", name, result.problem), result.problem);
    return std::move(result.text);
  }

  // Over what is there. Values may be secrets: no message shows them.
  void read_env(const std::string& key, const Json& value, LaunchRequest& app) {
    Env env;
    if (!values::read(value, env)) {
      wrong_value(key, values::expected(env), values::kind(value));
      return;
    }
    if (const std::string wrong = values::env_trouble(value); !wrong.empty()) {
      wrong_value(key, wrong, {});
      return;
    }
    for (auto& [name, text] : env) {
      const Json& written = value.at(name);
      const std::optional<std::string> file = secret_file(written);
      if (file) {
        app.env.erase(name);
        app.options.secret_files.insert_or_assign(name, expanded(key, name, *file));
      } else {
        app.options.secret_files.erase(name);
        app.env.insert_or_assign(name,
                                 written.is_string() ? expanded(key, name, text) : std::move(text));
      }
    }
  }

  void read_chosen_env(const Json& entry, LaunchRequest& app) {
    if (context_.env_name.empty()) return;
    const std::string key = std::string(kEnvPrefix) + context_.env_name;
    const auto chosen_entry = entry.find(key);
    if (chosen_entry == entry.end()) {
      found(false, {}, fmt::format("there is no \"{}\", \"env\" alone is used", key));
      return;
    }
    read_env(key, *chosen_entry, app);
  }

  const ConfigDocument& document_;
  const EcosystemContext& context_;
  std::string pointer_;
  std::string label_;
  std::set<std::string> names_;
  EcosystemReport report_;
};

// One problem keeps the shape of a single error; several become a list.
[[noreturn]] void fail(const std::vector<std::string>& problems, const std::string& file) {
  if (problems.size() == 1) throw Error(ErrorCode::invalid_spec, problems[0]);
  std::string message = fmt::format("{}: {} problems, nothing was done:", file, problems.size());
  for (const std::string& problem : problems) message += "\n  " + problem;
  throw Error(ErrorCode::invalid_spec, message);
}

}  // namespace

std::string to_text(const ConfigFinding& finding, const std::string& file) {
  std::string text = file;
  if (finding.line != 0) text += fmt::format(":{}", finding.line);
  if (finding.app.starts_with("apps[")) {
    text += ": " + finding.app;
  } else if (!finding.app.empty()) {
    text += fmt::format(": app {}", values::shown(finding.app));
  }
  // "key "x": expected ..." is a sentence of its own, "key "x" is not known" is one.
  if (!finding.key.empty()) {
    text += fmt::format(": key \"{}\"{}", finding.key, finding.is_error ? ":" : "");
  } else {
    text += ":";
  }
  return text + " " + finding.what;
}

bool EcosystemReport::has_errors() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const ConfigFinding& finding) { return finding.is_error; });
}

EcosystemReport examine_ecosystem(const ConfigDocument& document, const EcosystemContext& context) {
  const std::vector<Entry> entries = app_entries(document.root, {}, document.file);
  Reader reader(document, context);
  for (std::size_t index = 0; index < entries.size(); ++index) {
    reader.read_app(entries[index], index);
  }
  if (document.root.is_object() && document.root.contains(kStatic)) {
    const Json& servers = document.root.at(kStatic);
    const std::string pointer = pointer_to({}, kStatic);
    if (!servers.is_array()) reader.refuse_static(pointer, servers);
    for (std::size_t index = 0; servers.is_array() && index < servers.size(); ++index)
      reader.read_static_server({&servers[index], pointer_to(pointer, index)}, index);
  }
  return reader.finish();
}

void examine_programs(EcosystemReport& report) {
  for (std::size_t i = 0; i < report.ecosystem.apps.size(); ++i) {
    const LaunchRequest& app = report.ecosystem.apps[i];
    if (app.target.empty()) continue;  // which has been said
    try {
      make_app_spec(app);
    } catch (const Error& error) {
      std::string what = error.what();
      if (!error.hint().empty()) what += fmt::format(" ({})", error.hint());
      report.findings.push_back({true, report.lines[i], app.options.name, {}, what, {}, {}});
    }
  }
}

Ecosystem parse_ecosystem(const ConfigDocument& document, const EcosystemContext& context) {
  EcosystemReport report = examine_ecosystem(document, context);
  std::vector<std::string> problems;
  for (const ConfigFinding& finding : report.findings) {
    (finding.is_error ? problems : report.ecosystem.warnings)
        .push_back(to_text(finding, document.file));
  }
  if (!problems.empty()) {
    // A slip in a name is often why another is missing.
    for (const ConfigFinding& finding : report.findings) {
      if (!finding.is_error && !finding.suggestion.empty())
        problems.push_back(to_text(finding, document.file));
    }
    fail(problems, document.file);
  }
  return std::move(report.ecosystem);
}

Ecosystem parse_ecosystem(std::string_view text, const std::string& file,
                          const EcosystemContext& context) {
  return parse_ecosystem(read_json(text, file), context);
}

}  // namespace pmx
