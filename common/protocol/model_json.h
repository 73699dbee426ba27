// JSON of the model types, the same on the wire and in the store.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/model/app_spec.h"
#include "common/model/exit_status.h"
#include "common/model/instance_status.h"

namespace pmx {

void to_json(nlohmann::json& json, const StopSignal& value);
void from_json(const nlohmann::json& json, StopSignal& value);
void to_json(nlohmann::json& json, const ReadyCheck& value);
void from_json(const nlohmann::json& json, ReadyCheck& value);
void to_json(nlohmann::json& json, const HealthCheck& value);
void from_json(const nlohmann::json& json, HealthCheck& value);
void to_json(nlohmann::json& json, const JobSpec& value);
void from_json(const nlohmann::json& json, JobSpec& value);
void to_json(nlohmann::json& json, const ProcessLimits& value);
void from_json(const nlohmann::json& json, ProcessLimits& value);
void to_json(nlohmann::json& json, const AppSpec& value);
void from_json(const nlohmann::json& json, AppSpec& value);
void to_json(nlohmann::json& json, const ExitStatus& value);
void from_json(const nlohmann::json& json, ExitStatus& value);
void to_json(nlohmann::json& json, const CustomAction& value);
void from_json(const nlohmann::json& json, CustomAction& value);
void to_json(nlohmann::json& json, const CustomMetric& value);
void from_json(const nlohmann::json& json, CustomMetric& value);
void to_json(nlohmann::json& json, const CustomReport& value);
void from_json(const nlohmann::json& json, CustomReport& value);
void to_json(nlohmann::json& json, const InstanceStatus& value);
void from_json(const nlohmann::json& json, InstanceStatus& value);

// Text, or for bytes that are not UTF-8 a list of byte values.
nlohmann::json bytes_json(const std::string& bytes);
std::string bytes_from(const nlohmann::json& json, std::string_view name);

// {"NAME": "value"}; a value that is not UTF-8 is a list of byte values.
nlohmann::json env_json(const Env& env);
Env env_from(const nlohmann::json& json);

}  // namespace pmx
