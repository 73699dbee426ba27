// Reads the fields of a JSON object with errors that name the field and what was expected. Internal
// to common/protocol.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/error.h"

namespace pmx::protocol {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
constexpr std::string_view expected_name() {
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_integral_v<T>) {
    return "an integer";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "a number";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "a string";
  } else {
    return "another type";
  }
}

// Throws Error(invalid_request) unless `json` holds exactly a T.
template <class T>
void read_value(const nlohmann::json& json, std::string_view name, T& out) {
  if constexpr (IsOptional<T>::value) {
    if (json.is_null()) {
      out.reset();
      return;
    }
    typename T::value_type value{};
    read_value(json, name, value);
    out = std::move(value);
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    std::int64_t count = 0;
    read_value(json, name, count);
    out = T{count};
  } else {
    const bool fits = std::is_same_v<T, bool>          ? json.is_boolean()
                      : std::is_integral_v<T>          ? json.is_number_integer()
                      : std::is_floating_point_v<T>    ? json.is_number()
                      : std::is_same_v<T, std::string> ? json.is_string()
                                                       : true;
    if (fits) {
      try {
        json.get_to(out);
        return;
      } catch (const nlohmann::json::exception&) {
        // an element of a list or map has the wrong type
      }
    }
    throw Error(ErrorCode::invalid_request, fmt::format("field \"{}\": expected {}, not {}", name,
                                                        expected_name<T>(), json.type_name()));
  }
}

class Fields {
 public:
  explicit Fields(const nlohmann::json& json) : json_(json) {
    if (!json.is_object())
      throw Error(ErrorCode::invalid_request,
                  fmt::format("expected an object, not {}", json.type_name()));
  }

  template <class T>
  const Fields& required(const char* name, T& out) const {
    const auto found = json_.find(name);
    if (found == json_.end())
      throw Error(ErrorCode::invalid_request, fmt::format("field \"{}\" is missing", name));
    read_value(*found, name, out);
    return *this;
  }
  template <class T>
  const Fields& optional(const char* name, T& out) const {
    const auto found = json_.find(name);
    if (found != json_.end()) read_value(*found, name, out);
    return *this;
  }
  // For enums written as text: `parse` returns an optional.
  template <class T, class Parse>
  const Fields& named(const char* name, T& out, Parse parse) const {
    std::string text;
    required(name, text);
    const auto value = parse(text);
    if (!value)
      throw Error(ErrorCode::invalid_request,
                  fmt::format("field \"{}\": \"{}\" is not known", name, text));
    out = *value;
    return *this;
  }

 private:
  const nlohmann::json& json_;
};

}  // namespace pmx::protocol
