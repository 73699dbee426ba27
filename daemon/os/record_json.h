// The text form of store records: JSON, unknown fields ignored, so that a file outlives versions in
// both directions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "daemon/ports/store.h"

namespace pmx {

std::string text_of(const AppSpec& spec);
AppSpec spec_from_text(const std::string& text);  // throws on damage

std::string text_of(const InstanceRecord& record);
InstanceRecord record_from_text(const std::string& text);  // throws on damage

// The latest value of each record; nullopt: removed, an app with its instances.
struct RecordChanges {
  std::map<std::uint64_t, std::optional<AppRecord>> apps;
  std::map<int, std::optional<InstanceRecord>> instances;
  [[nodiscard]] bool empty() const { return apps.empty() && instances.empty(); }
};

std::string text_of(const RecordChanges& changes);
RecordChanges changes_from_text(const std::string& text);  // throws on damage

}  // namespace pmx
