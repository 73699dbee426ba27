#include "common/model/app_spec.h"

#include <array>

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

std::string_view to_string(BindVia via) noexcept { return name_in(kBindVias, via); }

std::optional<BindVia> bind_via_from(std::string_view text) noexcept {
  return value_in(kBindVias, text);
}

}  // namespace pmx
