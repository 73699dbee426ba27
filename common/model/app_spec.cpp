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

Env shell_env(const AppSpec& spec) {
  Env env = spec.env;
  for (const std::string& name : spec.own_env) env.erase(name);
  for (const auto& [name, value] : spec.hidden_env) env.insert_or_assign(name, value);
  return env;
}

void set_variable(AppSpec& spec, const std::string& name, std::string value) {
  const bool was_shells = spec.own_env.insert(name).second;
  const auto [present, is_new] = spec.env.emplace(name, value);
  if (is_new) return;
  std::swap(present->second, value);
  if (was_shells) spec.hidden_env.emplace(name, std::move(value));
}

void set_env(AppSpec& spec, Env shell, const Env& own) {
  spec.own_env.clear();
  spec.hidden_env.clear();
  spec.env = std::move(shell);
  for (const auto& [name, value] : own) set_variable(spec, name, value);
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
