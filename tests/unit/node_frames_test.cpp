#include "daemon/cluster/node_frames.h"

#include <doctest/doctest.h>

#include <string>

using namespace pmx;
using namespace pmx::node;

namespace {

template <class T>
T parsed(std::string_view line) {
  const Frame frame = parse_frame(line);
  REQUIRE(std::holds_alternative<T>(frame));
  return std::get<T>(frame);
}

template <class T>
bool is(std::string_view line) {
  return std::holds_alternative<T>(parse_frame(line));
}

std::string query(const std::string& fields) {
  return R"({"cmd":"NODE_CLUSTER","act":"queryServer",)" + fields + R"(,"seq":1})";
}

}  // namespace

TEST_CASE("frames without content") {
  CHECK(is<Online>(R"({"cmd":"NODE_CLUSTER","act":"online","seq":0})"));
  CHECK(is<Online>(R"( { "act" : "online" , "cmd" : "NODE_CLUSTER" } )"));
  CHECK(is<HandleAck>(R"({"cmd":"NODE_HANDLE_ACK"})"));
  CHECK(is<HandleNack>(R"({"cmd":"NODE_HANDLE_NACK"})"));
  CHECK(parsed<ExitedAfterDisconnect>(
            R"({"cmd":"NODE_CLUSTER","act":"exitedAfterDisconnect","seq":7})")
            .seq == 7);
  CHECK_FALSE(
      parsed<ExitedAfterDisconnect>(R"({"cmd":"NODE_CLUSTER","act":"exitedAfterDisconnect"})").seq);
  CHECK(parsed<Close>(R"({"cmd":"NODE_CLUSTER","act":"close","key":"tcp:*:80","seq":4})").key ==
        "tcp:*:80");
}

TEST_CASE("queryServer as captured from node 20") {
  const auto tcp = parsed<QueryServer>(query(
      R"("index":0,"data":null,"address":"127.0.0.1","port":3400,"addressType":4,"flags":0,"backlog":0)"));
  CHECK(tcp.seq == 1);
  CHECK(tcp.request ==
        ListenRequest{
            ListenRequest::Kind::tcp, "127.0.0.1", 3400, 4, false, false, 511, {}, false, false});
  CHECK(tcp.key == "tcp:127.0.0.1:3400:4");
  CHECK(tcp.data == "null");
  CHECK_FALSE(tcp.names_our_fd);
}

TEST_CASE("queryServer fields") {
  const auto any = parsed<QueryServer>(
      query(R"("index":2,"address":null,"port":0,"addressType":4,"flags":null,"backlog":false)"));
  CHECK_FALSE(any.request.address);
  CHECK(any.request.backlog == 511);
  CHECK(any.key == "tcp:*:0:#2");

  const auto only6 = parsed<QueryServer>(
      query(R"("address":"::","port":80,"addressType":6,"flags":1,"backlog":9)"));
  CHECK(only6.request.ipv6_only);
  CHECK(only6.request.family == 6);
  CHECK(only6.request.backlog == 9);
  CHECK(only6.key == "tcp::::80:6:only6");

  const auto path = parsed<QueryServer>(query(
      R"("address":"/tmp/a\"b.sock","port":-1,"addressType":-1,"readableAll":true,"writableAll":true)"));
  CHECK(path.request.kind == ListenRequest::Kind::unix_stream);
  CHECK(path.request.address == "/tmp/a\"b.sock");
  CHECK(path.request.readable_all);
  CHECK(path.request.writable_all);
  CHECK(path.key == "unix:/tmp/a\"b.sock");

  const auto udp = parsed<QueryServer>(
      query(R"("address":null,"port":5000,"addressType":"udp6","fd":-1,"flags":5)"));
  CHECK(udp.request.kind == ListenRequest::Kind::udp);
  CHECK(udp.request.address == "::");
  CHECK(udp.request.ipv6_only);
  CHECK(udp.request.reuse_address);
  CHECK_FALSE(udp.names_our_fd);

  CHECK(parsed<QueryServer>(query(R"("address":null,"port":null,"addressType":null,"fd":3)"))
            .names_our_fd);
  CHECK(parsed<QueryServer>(query(R"("port":1,"data":{"ticketKeys":"00ff"})")).data ==
        R"({"ticketKeys":"00ff"})");
  CHECK(
      parsed<QueryServer>(query(R"("port":1,"data":")" + std::string(kMaxData, 'x') + '"')).data ==
      "null");
  CHECK(is<Unknown>(
      R"({"cmd":"NODE_CLUSTER","act":"queryServer","port":80})"));  // no seq: cannot be answered
}

TEST_CASE("listening") {
  const auto tcp = parsed<Listening>(
      R"({"cmd":"NODE_CLUSTER","act":"listening","address":"::1","port":3400,"addressType":6})");
  CHECK(tcp.address == "::1");
  CHECK(tcp.port == 3400);
  CHECK(parsed<Listening>(
            R"({"cmd":"NODE_CLUSTER","act":"listening","address":"/a","port":-1,"addressType":-1})")
            .port == 0);
}

TEST_CASE("handles from the app") {
  const auto socket = parsed<HandleFrame>(
      R"({"cmd":"NODE_HANDLE","type":"net.Socket","msg":{"a":[1,"}"]},"key":"x"})");
  CHECK(socket.user_message);
  CHECK(socket.message == R"({"a":[1,"}"]})");
  CHECK_FALSE(
      parsed<HandleFrame>(R"({"cmd":"NODE_HANDLE","msg":{"cmd":"NODE_CLUSTER"}})").user_message);
  CHECK_FALSE(parsed<HandleFrame>(R"({"cmd":"NODE_HANDLE"})").user_message);
}

TEST_CASE("user messages are handed on as they came") {
  for (const std::string line :
       {R"("ready")", "1", "-1.5e3", "true", "[]", "{}", R"({"cmd":"NODE_"})", R"({"cmd":5})",
        R"({"type":"process:msg","data":{"cmd":"NODE_HANDLE"}})",
        R"({"cmd":"NODE_CLUSTER","cmd":"x"})"}) {
    CAPTURE(line);
    CHECK(parsed<UserMessage>(line).raw == line);
  }
}

TEST_CASE("our own frames") {
  CHECK(is<Drained>(R"({"cmd":"NODE_PMX","act":"drained"})"));
  CHECK(drain_request(true) == R"({"cmd":"NODE_PMX","act":"drain","keepChannel":true})");
  CHECK_FALSE(is_user_message(drain_request(false)));
}

TEST_CASE("garbage is Unknown") {
  for (const std::string line :
       {"", " ", "\r", R"(,"seq":1})", "{", "}", "{]", R"({"cmd":"NODE_CLUSTER)", R"({"a":1}x)",
        "nul", "\"\xff\"", "\xEF\xBB\xBF{}", R"({"cmd":"NODE_CLUSTER"})",
        R"({"cmd":"NODE_PMX"})"}) {
    CAPTURE(line);
    CHECK(is<Unknown>(line));
  }
  using namespace std::string_literals;
  CHECK(is<Unknown>("{}\0x"s));
  CHECK(is<UserMessage>(std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']')));
  CHECK(is<Unknown>(std::string(kMaxDepth + 1, '[') + std::string(kMaxDepth + 1, ']')));
  CHECK(is<Unknown>(std::string(1U << 20U, '[')));
}

TEST_CASE("every cut of a frame is survived") {
  const std::string line =
      R"({"cmd":"NODE_HANDLE","msg":{"a\"b":[1,{"c":"\\"}]},"address":"\u0041","port":17,"seq":12})";
  for (std::size_t from = 0; from < line.size(); ++from) {
    for (std::size_t size = 0; from + size <= line.size(); ++size)
      parse_frame(std::string_view(line).substr(from, size));
  }
}

TEST_CASE("what may be sent to a worker") {
  CHECK(is_user_message(R"({"topic":"x"})"));
  CHECK(is_user_message(R"("shutdown")"));
  CHECK_FALSE(is_user_message(" null "));
  CHECK_FALSE(is_user_message(""));
  CHECK_FALSE(is_user_message("{\n}"));
  CHECK_FALSE(is_user_message(R"({"cmd":"NODE_HANDLE_ACK"})"));
  CHECK_FALSE(is_user_message(R"({"\u0063md":"NODE_CLUSTER","act":"disconnect"})"));
}

TEST_CASE("replies") {
  CHECK(server_reply(1, 0, ListenRequest::Kind::tcp, "K", "null") ==
        R"({"cmd":"NODE_HANDLE","type":"net.Native","socketType":1,"nativeKind":"tcp","msg":)"
        R"({"cmd":"NODE_CLUSTER","ack":1,"errno":0,"key":"K","data":null,"seq":0}})");
  CHECK(server_reply(1, 0, ListenRequest::Kind::udp, "K", "") ==
        R"({"cmd":"NODE_HANDLE","type":"dgram.Native","msg":)"
        R"({"cmd":"NODE_CLUSTER","ack":1,"errno":0,"key":"K","data":null,"seq":0}})");
  CHECK(
      server_error(3, 9, 98, "a\"\n", R"({"ticketKeys":"0"})") ==
      R"({"cmd":"NODE_CLUSTER","ack":3,"errno":-98,"key":"a\"\n","data":{"ticketKeys":"0"},"seq":9})");
  CHECK(acknowledgement(4, 1) == R"({"cmd":"NODE_CLUSTER","ack":4,"seq":1})");
  CHECK(disconnect_request(2) == R"({"cmd":"NODE_CLUSTER","act":"disconnect","seq":2})");
}
