// pm2's axm messages, good and bad.
#include "daemon/cluster/app_messages.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using namespace pmx;

namespace {

std::string refusal(std::string_view raw) {
  const auto message = app_message(raw);
  if (!message) return "another message";
  const auto* bad = std::get_if<Malformed>(&*message);
  return bad == nullptr ? "" : bad->why;
}

}  // namespace

TEST_CASE("an action, metrics, options, an answer") {
  auto message = app_message(
      R"({"type":"axm:action","data":{"action_name":"clear","action_type":"custom","opts":null,"arity":2}})");
  REQUIRE(message);
  CHECK(std::get<CustomAction>(*message) == CustomAction{"clear", "custom", 2});

  message = app_message(
      R"({"type":"axm:monitor","data":{"Users":{"value":3,"unit":"u","type":"t"},"State":{"value":"a\"b"}}})");
  REQUIRE(message);
  const auto& metrics = std::get<Metrics>(*message).metrics;
  REQUIRE(metrics.size() == 2);
  CHECK(metrics[0].name == "State");
  CHECK(metrics[0].value == R"("a\"b")");
  CHECK(metrics[1].value == "3");
  CHECK(metrics[1].unit == "u");

  // A rename by the app is not taken.
  message = app_message(R"({"type":"axm:option:configuration","data":{"name":"x","module":true}})");
  REQUIRE(message);
  CHECK(std::get<ReportOptions>(*message).json == R"({"module":true})");

  message = app_message(R"({"type":"axm:reply","data":{"action_name":"a","return":{"ok":[1]}}})");
  REQUIRE(message);
  CHECK(std::get<ActionAnswer>(*message).action == "a");
  CHECK(std::get<ActionAnswer>(*message).json == R"({"ok":[1]})");
}

TEST_CASE("other messages are none of these") {
  for (const char* raw : {"\"ready\"", "1", "{}", R"({"type":"process:msg","data":{}})",
                          R"({"a":"axm:action"})", R"({"type":"axm:trace","data":{}})",
                          R"({"type":"axm:action-x","data":{}})", R"(["axm:action"])"})
    CHECK_FALSE(app_message(raw));
}

TEST_CASE("what is wrong is said, never thrown") {
  CHECK(refusal(R"({"type":"axm:action"})") == "axm:action: data is not an object");
  CHECK(refusal(R"({"type":"axm:action","data":[]})") == "axm:action: data is not an object");
  CHECK(refusal(R"({"type":"axm:action","data":{"action_name":1}})") ==
        "axm:action: action_name is missing");
  CHECK(refusal(R"({"type":"axm:reply","data":{}})") == "axm:reply: action_name is missing");
  CHECK(refusal(R"({"type":"axm:monitor","data":{"a":1}})") == "axm:monitor: \"a\" has no value");
  CHECK(refusal(R"({"type":"axm:monitor","data":{"a":{"value":{}}}})") ==
        "axm:monitor: \"a\" has no value");
  const std::string big =
      R"({"type":"axm:monitor","data":{"a":{"value":")" + std::string(70000, 'x') + R"("}}})";
  CHECK(refusal(big) == "axm:monitor: more than 65536 bytes");
}

TEST_CASE("an answer that is too long is said in its place") {
  const std::string big = R"({"type":"axm:reply","data":{"action_name":"a","return":")" +
                          std::string(kMaxAnswerBytes, 'x') + R"("}})";
  const auto message = app_message(big);
  REQUIRE(message);
  CHECK(std::get<ActionAnswer>(*message).json.find("more than") != std::string::npos);
}

TEST_CASE("a request is the name alone, or with its parameter") {
  CHECK(action_request("clear", std::nullopt, "web") == "\"clear\"");
  const auto json = nlohmann::json::parse(action_request("clear", "a \"b\"", "web"));
  CHECK(json == nlohmann::json{{"msg", "clear"}, {"opts", "a \"b\""}, {"name", "web"}});
}
