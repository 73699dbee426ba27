#include "common/config/json_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/base/text.h"
#include "common/config/words.h"
#include "common/model/signal_name.h"

namespace pmx::values {
namespace {

constexpr std::size_t kLongestShown = 40;
constexpr int kLastExitCode = 255;

// `{"PORT": 3000}` means the text 3000, `[1,2]` its JSON.
std::string as_text(const Json& in) { return in.is_string() ? in.get<std::string>() : in.dump(); }

bool is_scalar(const Json& in) { return in.is_string() || in.is_number() || in.is_boolean(); }

}  // namespace

bool read(const Json& in, std::string& out) {
  if (!in.is_string()) return false;
  out = in.get<std::string>();
  return true;
}

bool read(const Json& in, bool& out) {
  if (!in.is_boolean()) return false;
  out = in.get<bool>();
  return true;
}

bool read(const Json& in, int& out) {
  const std::optional<int> number = is_scalar(in) ? parse_integer(as_text(in)) : std::nullopt;
  if (!number || *number < 0) return false;
  out = *number;
  return true;
}

bool read(const Json& in, std::uint64_t& out) {
  const auto size = is_scalar(in) && !in.is_boolean() ? parse_size(as_text(in)) : std::nullopt;
  if (!size) return false;
  out = *size;
  return true;
}

bool read(const Json& in, std::optional<int>& out) {
  const auto number = is_scalar(in) ? parse_integer(as_text(in)) : std::nullopt;
  if (!number) return false;
  out = *number;
  return true;
}

bool read(const Json& in, Millis& out) {
  const auto duration = is_scalar(in) ? parse_duration(as_text(in)) : std::nullopt;
  if (!duration) return false;
  out = *duration;
  return true;
}

bool read(const Json& in, std::vector<std::string>& out) {
  if (in.is_string()) {
    out = split_words(in.get<std::string>());
    return true;
  }
  if (!in.is_array()) return false;
  std::vector<std::string> words;
  for (const Json& word : in) {
    if (!is_scalar(word)) return false;
    words.push_back(as_text(word));
  }
  out = std::move(words);
  return true;
}

bool read(const Json& in, std::vector<int>& out) {
  if (is_scalar(in) && !in.is_boolean()) {
    auto codes = parse_exit_codes(as_text(in));
    if (codes) out = std::move(*codes);
    return codes.has_value();
  }
  if (!in.is_array()) return false;
  std::vector<int> codes;
  for (const Json& element : in) {
    int code = 0;
    if (!read(element, code) || code > kLastExitCode) return false;
    codes.push_back(code);
  }
  out = std::move(codes);
  return true;
}

bool read(const Json& in, std::vector<StopSignal>& out) {
  std::vector<StopSignal> steps;
  for (const Json& element : in.is_array() ? in : Json::array({in})) {
    if (!element.is_string()) return false;
    const std::vector<std::string> words = split_words(element.get<std::string>());
    if (words.size() != 2) return false;
    const auto number = signal_number(words[0]);
    const auto wait = parse_duration(words[1]);
    if (!number || !wait) return false;
    steps.push_back({*number, *wait});
  }
  out = std::move(steps);
  return true;
}

bool read(const Json& in, Env& out) {
  if (!in.is_object()) return false;
  Env env;
  for (const auto& [name, value] : in.items()) {
    if (!value.is_null()) env[name] = as_text(value);
  }
  out = std::move(env);
  return true;
}

bool read(const Json& in, std::optional<ExecMode>& out) {
  const auto mode = in.is_string() ? exec_mode_from(in.get<std::string>()) : std::nullopt;
  if (mode) out = mode;
  return mode.has_value();
}

bool read(const Json& in, Balance& out) {
  const auto balance = in.is_string() ? balance_from(in.get<std::string>()) : std::nullopt;
  if (balance) out = *balance;
  return balance.has_value();
}

bool read(const Json& in, RestartMode& out) {
  const auto mode = in.is_string() ? restart_mode_from(in.get<std::string>()) : std::nullopt;
  if (mode) out = *mode;
  return mode.has_value();
}

bool read(const Json& in, KillMode& out) {
  const auto mode = in.is_string() ? kill_mode_from(in.get<std::string>()) : std::nullopt;
  if (mode) out = *mode;
  return mode.has_value();
}

bool read(const Json& in, LogWhenFull& out) {
  const auto what = in.is_string() ? log_when_full_from(in.get<std::string>()) : std::nullopt;
  if (what) out = *what;
  return what.has_value();
}

bool read(const Json& in, ReadyTimeoutAction& out) {
  const auto action =
      in.is_string() ? ready_timeout_action_from(in.get<std::string>()) : std::nullopt;
  if (action) out = *action;
  return action.has_value();
}

bool read(const Json& in, HealthAction& out) {
  const auto action = in.is_string() ? health_action_from(in.get<std::string>()) : std::nullopt;
  if (action) out = *action;
  return action.has_value();
}

bool read(const Json& in, Overlap& out) {
  const auto overlap = in.is_string() ? overlap_from(in.get<std::string>()) : std::nullopt;
  if (overlap) out = *overlap;
  return overlap.has_value();
}

bool read(const Json& in, CatchUp& out) {
  bool wanted = false;
  const auto named = in.is_string() ? catch_up_from(in.get<std::string>()) : std::nullopt;
  if (!named && !read(in, wanted)) return false;
  out = named.value_or(wanted ? CatchUp::one : CatchUp::none);
  return true;
}

bool read(const Json& in, BindVia& out) {
  const auto via = in.is_string() ? bind_via_from(in.get<std::string>()) : std::nullopt;
  if (via) out = *via;
  return via.has_value();
}

Json bytes_json(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  Json list = Json::array();
  for (const char byte : bytes) list.push_back(static_cast<unsigned char>(byte));
  return list;
}

bool read_bytes(const Json& in, std::string& out) {
  if (in.is_string()) return read(in, out);
  if (!in.is_array()) return false;
  std::string bytes;
  for (const Json& element : in) {
    int byte = 0;
    if (!element.is_number_integer() || !read(element, byte)) return false;
    if (byte > std::numeric_limits<unsigned char>::max()) return false;
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
  }
  out = std::move(bytes);
  return true;
}

bool has_nul(const Json& in) {
  if (in.is_string()) return in.get_ref<const std::string&>().find('\0') != std::string::npos;
  const auto items = in.items();
  return in.is_structured() && std::any_of(items.begin(), items.end(), [&in](const auto& item) {
           return (in.is_object() && item.key().find('\0') != std::string::npos) ||
                  has_nul(item.value());
         });
}

std::string env_trouble(const Json& in) {
  for (const auto& [name, value] : in.items()) {
    if (name.empty()) return "names that are not empty";
    if (name.find('=') != std::string::npos || name.find('\0') != std::string::npos) {
      return fmt::format("names without \"=\" and NUL bytes, not {}", shown(name));
    }
    if (has_nul(value)) return fmt::format("{} without NUL bytes", name);
  }
  return {};
}

std::string_view kind(const Json& in) {
  if (in.is_string()) return "a text";
  if (in.is_array()) return "a list";
  if (in.is_object()) return "an object";
  if (in.is_number()) return "a number";
  return in.is_null() ? "null" : "true or false";
}

std::string shown(const Json& in) {
  std::string text = in.dump();
  if (text.size() <= kLongestShown) return text;
  text.resize(kLongestShown);
  while (!is_utf8(text)) text.pop_back();
  return text + "...";
}

}  // namespace pmx::values
