// The messages by which apps offer actions and tell metrics, in pm2's form: {"type":"axm:...",
// "data":{...}}. Text only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/ports/app_message.h"

namespace pmx {

// Nullopt: any other message. `raw` is valid JSON.
std::optional<AppMessage> app_message(std::string_view raw);

// What has an app run an action.
std::string action_request(std::string_view action, const std::optional<std::string>& param,
                           std::string_view app);

}  // namespace pmx
