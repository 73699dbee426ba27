#include "common/model/app_spec.h"

namespace pmx {

std::string_view to_string(ExecMode mode) noexcept {
  return mode == ExecMode::cluster ? "cluster" : "fork";
}

std::optional<ExecMode> exec_mode_from(std::string_view text) noexcept {
  if (text == "fork" || text == "fork_mode") return ExecMode::fork;
  if (text == "cluster" || text == "cluster_mode") return ExecMode::cluster;
  return std::nullopt;
}

}  // namespace pmx
