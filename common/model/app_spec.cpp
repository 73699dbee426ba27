#include "common/model/app_spec.h"

#include <array>
#include <utility>

namespace pmx {

std::string_view to_string(ExecMode mode) noexcept {
  return mode == ExecMode::cluster ? "cluster" : "fork";
}

std::optional<ExecMode> exec_mode_from(std::string_view text) noexcept {
  if (text == "fork" || text == "fork_mode") return ExecMode::fork;
  if (text == "cluster" || text == "cluster_mode") return ExecMode::cluster;
  return std::nullopt;
}

namespace {

template <class T>
struct Named {
  std::string_view name;
  T value;
};

constexpr std::array kBalances{Named<Balance>{"slots", Balance::slots},
                               Named<Balance>{"shared", Balance::shared},
                               Named<Balance>{"rr", Balance::rr}};
constexpr std::array kBindVias{
    Named<BindVia>{"auto", BindVia::automatic}, Named<BindVia>{"preload", BindVia::preload},
    Named<BindVia>{"seccomp", BindVia::seccomp}, Named<BindVia>{"none", BindVia::none}};

template <class Table, class T>
std::string_view name_in(const Table& table, T value) noexcept {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return {};
}

template <class Table>
auto value_in(const Table& table, std::string_view name) noexcept
    -> std::optional<decltype(table[0].value)> {
  for (const auto& row : table) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Balance balance) noexcept { return name_in(kBalances, balance); }

std::optional<Balance> balance_from(std::string_view text) noexcept {
  return value_in(kBalances, text);
}

std::string_view to_string(KillMode mode) noexcept {
  switch (mode) {
    case KillMode::tree:
      return "tree";
    case KillMode::group:
      return "group";
    case KillMode::leader:
      break;
  }
  return "leader";
}

std::optional<KillMode> kill_mode_from(std::string_view text) noexcept {
  for (const KillMode each : {KillMode::tree, KillMode::group, KillMode::leader}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

std::string_view to_string(BindVia via) noexcept { return name_in(kBindVias, via); }

std::optional<BindVia> bind_via_from(std::string_view text) noexcept {
  return value_in(kBindVias, text);
}

namespace {

// `*` stands for any number of characters.
bool matches(std::string_view pattern, std::string_view text) noexcept {
  std::size_t at = 0;
  std::size_t in_text = 0;
  std::size_t star = std::string_view::npos;
  std::size_t behind_star = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      behind_star = in_text;
    } else if (at < pattern.size() && pattern[at] == text[in_text]) {
      ++at;
      ++in_text;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in_text = ++behind_star;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace

bool inherits(const std::vector<std::string>& patterns, std::string_view variable) noexcept {
  bool has_list = false;
  bool listed = false;
  for (const std::string_view pattern : patterns) {
    if (pattern.starts_with('!')) {
      if (matches(pattern.substr(1), variable)) return false;
    } else {
      has_list = true;
      listed = listed || matches(pattern, variable);
    }
  }
  return listed || !has_list;
}

Env shell_env(const AppSpec& spec) {
  Env env = spec.env;
  for (const std::string& name : spec.own_env) env.erase(name);
  for (const auto& [name, value] : spec.hidden_env) env.insert_or_assign(name, value);
  return env;
}

void set_variable(AppSpec& spec, const std::string& name, std::string value,
                  std::string_view origin) {
  spec.env_origin.erase(name);
  if (!origin.empty()) spec.env_origin.emplace(name, origin);
  const bool was_shells = spec.own_env.insert(name).second;
  const auto [present, is_new] = spec.env.emplace(name, value);
  if (is_new) return;
  std::swap(present->second, value);
  if (was_shells) spec.hidden_env.emplace(name, std::move(value));
}

void set_env(AppSpec& spec, Env shell, const Env& own) {
  const Env origins = std::move(spec.env_origin);
  spec.env_origin.clear();
  spec.own_env.clear();
  spec.hidden_env.clear();
  std::erase_if(shell, [&spec](const auto& variable) {
    return spec.secret_files.contains(variable.first) ||
           !inherits(spec.inherit_env, variable.first);
  });
  spec.env = std::move(shell);
  for (const auto& [name, value] : own) {
    const auto origin = origins.find(name);
    set_variable(spec, name, value, origin == origins.end() ? "" : origin->second);
  }
}

std::string origin_of(const AppSpec& spec, std::string_view variable) {
  if (const auto file = spec.secret_files.find(variable); file != spec.secret_files.end())
    return file->second;
  if (const auto file = spec.env_origin.find(variable); file != spec.env_origin.end())
    return file->second;
  if (!spec.own_env.contains(variable)) return "shell";
  return spec.origin.empty() ? "env" : spec.origin;
}

void merge_shell(AppSpec& spec, const Env& shell) {
  for (const auto& [name, value] : shell) {
    if (spec.secret_files.contains(name) || !inherits(spec.inherit_env, name)) continue;
    spec.env.insert_or_assign(name, value);
    spec.own_env.erase(name);
    spec.hidden_env.erase(name);
    spec.env_origin.erase(name);
  }
}

Env own_variables(const AppSpec& spec) {
  Env own;
  for (const std::string& name : spec.own_env) {
    const auto found = spec.env.find(name);
    if (found != spec.env.end()) own.emplace(*found);
  }
  return own;
}

}  // namespace pmx
