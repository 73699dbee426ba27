// The list of apps that `save` writes and `resurrect` reads: pm2's shape, one object per instance,
// without secrets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/paths.h"
#include "common/config/secrets.h"
#include "common/model/app_spec.h"
#include "common/model/instance_status.h"

namespace pmx {

struct DumpEntry {
  AppSpec spec;
  InstanceState state = InstanceState::online;
  int instance_number = 0;
  int restarts = 0;
  WallMillis created_at = 0;
  std::string out_path;  // as in use, for readers of the file; written only
  std::string error_path;
  std::string pid_path;
  std::vector<std::string> omitted_env;  // secrets left out of the file; read only
  std::vector<std::string> unmapped;     // settings of pm2's without a counterpart; read only
};

// From a detailed status (`detail` must be there).
DumpEntry dump_entry_of(const InstanceStatus& status);

// JSON, indented by 2. Secrets are left out and named in `pmx_omitted_env`.
std::string dump_text(const std::vector<DumpEntry>& entries);

struct SavedList {
  std::vector<DumpEntry> entries;
  std::vector<std::string> problems;  // one per entry that is left out: entry, field, why
};

// Also reads pm2's own dump.pm2 and what `pm2 jlist` prints; there interpreter_path stays empty (resolve_interpreter). Throws
// Error(invalid_spec) if it is no list at all.
SavedList read_dump(std::string_view text);

// Replaces dump.pmx atomically (mode 0600), the previous one becomes dump.pmx.bak. Throws
// std::system_error.
void write_dump(const Paths& paths, std::string_view text);

}  // namespace pmx
