// The text form of store records: JSON, unknown fields ignored, so that a file outlives versions in
// both directions.
#pragma once

#include <string>

#include "daemon/ports/store.h"

namespace pmx {

std::string text_of(const AppSpec& spec);
AppSpec spec_from_text(const std::string& text);  // throws on damage

std::string text_of(const InstanceRecord& record);
InstanceRecord record_from_text(const std::string& text);  // throws on damage

}  // namespace pmx
