// Values of JSON files that people write: a type and its usual other spellings. Internal to
// common/config.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx::values {

using Json = nlohmann::json;

// Each read() takes what it accepts and returns false for anything else, leaving `out` as it was.
bool read(const Json& in, std::string& out);
bool read(const Json& in, bool& out);
bool read(const Json& in, int& out);                 // not negative; also "5"
bool read(const Json& in, std::uint64_t& out);       // bytes, "200M", "1.5G"
bool read(const Json& in, std::optional<int>& out);  // also negative
bool read(const Json& in, Millis& out);              // milliseconds, "1500", "5s", "10m", "1h"
bool read(const Json& in, std::vector<std::string>& out);  // a list, or a text of words
bool read(const Json& in, std::vector<int>& out);          // exit codes: a list, 3, "0,3"
bool read(const Json& in, std::vector<StopSignal>& out);   // "SIGTERM 10s", or a list of such
bool read(const Json& in, Env& out);  // an object; other values than texts are turned into text
bool read(const Json& in, std::optional<ExecMode>& out);
bool read(const Json& in, Balance& out);
bool read(const Json& in, BindVia& out);
bool read(const Json& in, KillMode& out);
bool read(const Json& in, LogWhenFull& out);
bool read(const Json& in, ReadyTimeoutAction& out);
bool read(const Json& in, HealthAction& out);
bool read(const Json& in, Overlap& out);
bool read(const Json& in, CatchUp& out);  // also true and false
bool read(const Json& in, RestartMode& out);
template <class T>
bool read(const Json& in, std::optional<T>& out) {
  T value{};
  if (!read(in, value)) return false;
  out = std::move(value);
  return true;
}

// As read() takes it back.
Json to_value(const std::string& text);
Json to_value(bool value);
Json to_value(int value);
Json to_value(std::uint64_t value);
Json to_value(const std::optional<int>& value);  // null: none
Json to_value(const std::optional<bool>& value);
Json to_value(Millis value);
Json to_value(const std::vector<std::string>& words);
Json to_value(const std::vector<int>& codes);
Json to_value(const std::vector<StopSignal>& steps);
Json to_value(const Env& value);
Json to_value(Balance value);
Json to_value(BindVia value);
Json to_value(KillMode value);
Json to_value(ReadyTimeoutAction value);
Json to_value(HealthAction value);
Json to_value(Overlap value);
Json to_value(CatchUp value);
Json to_value(RestartMode value);
Json to_value(LogWhenFull value);

// The same as JSON Schema.
Json schema(const std::string&);
Json schema(const bool&);
Json schema(const int&);
Json schema(const std::optional<int>&);
Json schema(const std::uint64_t&);
Json schema(const Millis&);
Json schema(const std::vector<std::string>&);
Json schema(const std::vector<int>&);
Json schema(const std::vector<StopSignal>&);
Json schema(const Env&);
Json schema(const std::optional<ExecMode>&);
Json schema(const Balance&);
Json schema(const BindVia&);
Json schema(const KillMode&);
Json schema(const ReadyTimeoutAction&);
Json schema(const HealthAction&);
Json schema(const Overlap&);
Json schema(const CatchUp&);
Json schema(const RestartMode&);
Json schema(const LogWhenFull&);
template <class T>
Json schema(const std::optional<T>&) {
  return schema(T{});
}

// What the read() of a type accepts, in words.
constexpr std::string_view expected(const std::string&) { return "a text"; }
constexpr std::string_view expected(const bool&) { return "true or false"; }
constexpr std::string_view expected(const int&) { return "a whole number, not negative"; }
constexpr std::string_view expected(const std::optional<int>&) { return "a whole number"; }
constexpr std::string_view expected(const std::uint64_t&) {
  return "bytes, or a text like \"200M\", \"1.5G\"";
}
constexpr std::string_view expected(const Millis&) {
  return "milliseconds, or a text like \"5s\", \"10m\", \"1h\"";
}
constexpr std::string_view expected(const std::vector<std::string>&) {
  return "a list of texts, or one text";
}
constexpr std::string_view expected(const std::vector<int>&) {
  return "exit codes from 0 to 255, as a list or a number";
}
constexpr std::string_view expected(const std::vector<StopSignal>&) {
  return "signals with a time each, like [\"SIGINT 5s\", \"SIGTERM 10s\"]";
}
constexpr std::string_view expected(const Env&) { return "an object"; }
constexpr std::string_view expected(const std::optional<ExecMode>&) {
  return "\"fork\" or \"cluster\"";
}
constexpr std::string_view expected(const Balance&) { return "\"slots\", \"shared\" or \"rr\""; }
constexpr std::string_view expected(const RestartMode&) {
  return "\"always\", \"on-failure\", \"on-abnormal\" or \"never\"";
}
constexpr std::string_view expected(const BindVia&) {
  return "\"auto\", \"preload\", \"seccomp\" or \"none\"";
}
constexpr std::string_view expected(const KillMode&) { return "\"tree\", \"group\" or \"leader\""; }
constexpr std::string_view expected(const LogWhenFull&) { return "\"wait\" or \"drop\""; }
constexpr std::string_view expected(const ReadyTimeoutAction&) { return "\"fail\" or \"online\""; }
constexpr std::string_view expected(const HealthAction&) { return "\"restart\" or \"report\""; }
constexpr std::string_view expected(const Overlap&) { return "\"skip\", \"queue\" or \"replace\""; }
constexpr std::string_view expected(const CatchUp&) { return "true or false"; }
template <class T>
constexpr std::string_view expected(const std::optional<T>&) {
  return expected(T{});
}

// Environment and arguments are bytes, JSON is UTF-8: what is not UTF-8 is written as a list of
// byte values.
Json bytes_json(const std::string& bytes);
bool read_bytes(const Json& in, std::string& out);

// Whether a text or a name anywhere in it has a NUL byte, which no process can be given.
bool has_nul(const Json& in);
// What an environment (an object) must not have: in words what was expected; empty: nothing wrong.
// Names variables, never shows their values.
std::string env_trouble(const Json& in);

// `in` for a message: short, in one line.
std::string shown(const Json& in);
// Only what kind of value it is ("a text"), where it may be a secret.
std::string_view kind(const Json& in);

}  // namespace pmx::values
