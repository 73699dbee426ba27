// Everything pmx says: remarks on stdout or stderr, payloads on stdout, tables fitted to the
// terminal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/render/table.h"
#include "common/base/error.h"
#include "common/model/instance_status.h"

namespace pmx::cli {

class Output {
 public:
  // Looks at the terminal, NO_COLOR, FORCE_COLOR and COLUMNS.
  Output();

  void set_silent(bool silent) { silent_ = silent; }
  void forbid_colours() { colours_ = error_colours_ = false; }

  // Lines "[PMX] ..." on stdout; nothing when silent.
  void info(std::string_view text) const;
  // "[PMX] [name](id) ✓"
  void done(const InstanceStatus& instance) const;
  // Remarks beside the result, on stderr; nothing when silent.
  void remark(std::string_view text) const;
  void warn(std::string_view text) const;
  // On stderr, also when silent.
  void error(std::string_view text, std::string_view hint = {}) const;
  void error(const Error& error) const { this->error(error.what(), error.hint()); }

  // What was asked for: as it is, on stdout, also when silent.
  void payload(std::string_view text) const;
  // For people only: nothing when silent.
  void text(std::string_view text) const;
  void list(const std::vector<InstanceStatus>& instances) const;
  void mini_list(const std::vector<InstanceStatus>& instances) const;
  void table(const Table& table) const;

  // Width of the terminal that stdout is, if it is one.
  [[nodiscard]] std::optional<std::size_t> width() const { return width_; }
  [[nodiscard]] bool colours() const { return colours_; }
  [[nodiscard]] bool silent() const { return silent_; }

 private:
  void warn_of_problems(const std::vector<InstanceStatus>& instances) const;

  bool silent_ = false;
  bool colours_ = false;
  bool error_colours_ = false;
  std::optional<std::size_t> width_;
};

WallMillis wall_now();

}  // namespace pmx::cli
