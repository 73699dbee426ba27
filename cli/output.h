// Everything pmx says: remarks on stdout or stderr, payloads on stdout, tables fitted to the
// terminal.
//
// With --json stdout gets one object instead, when the command has ended:
//   {"schema": 1, "command": "stop", "ok": true, "exit_code": 0,
//    "done": [{"name", "namespace", "pm_id", "pid", "status", "restart_time"}],   what was acted on
//    "warnings": ["..."], "errors": [{"kind", "message", "hint"}],   kind: as on the control socket,
//    ...}                                                         "usage" or "failed"; data of the command
// Fields are added, never changed, within a schema. Errors and warnings go to stderr as well.
#pragma once

#include <cstddef>
#include <memory>
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
  // From now on; copies of this share what is gathered.
  void use_json(const std::string& command);
  [[nodiscard]] bool is_json() const { return report_ != nullptr; }
  // The command writes its own format to stdout: no object, unless it fails.
  void stream() const;
  // Writes the object, if it is to be.
  void finish(int exit_code) const;
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
  void error(const Error& error) const;
  void usage_error(std::string_view text, std::string_view hint) const;

  // What was asked for: as it is, on stdout, also when silent. With --json it is the member "output".
  void payload(std::string_view text) const;
  // A member of the object, as JSON text; nothing without --json.
  void data(const std::string& key, const std::string& json) const;
  // All members of an object.
  void data(const std::string& object) const;
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
  struct Report;

  void add_error(std::string_view kind, std::string_view text, std::string_view hint) const;
  void print_error(std::string_view text, std::string_view hint) const;
  void warn_of_problems(const std::vector<InstanceStatus>& instances) const;

  bool silent_ = false;
  bool colours_ = false;
  bool error_colours_ = false;
  std::optional<std::size_t> width_;
  std::shared_ptr<Report> report_;  // with --json
};

WallMillis wall_now();

}  // namespace pmx::cli
