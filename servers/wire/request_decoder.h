// Headers, of both serialize types, into Requests. RocketMQ: RemotingSerializable (fastjson),
// RocketMQSerializable. Page: docs/protocol/remoting.md.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/decode_error.h"
#include "servers/wire/arena.h"
#include "servers/wire/command.h"
#include "servers/wire/frame.h"

namespace rmq::json {
class Value;
}

namespace rmq::wire {

inline constexpr std::size_t kMaxFields = 1024;  // in a header; Java's own writers stay below 40

// Decodes the headers of one turn. What a Request borrows lies in the frame or in here, and is good until
// clear(). Allocates nothing once it has seen the largest turn; keeps at most kKept over a clear(). For one
// thread.
class RequestDecoder {
 public:
  static constexpr std::size_t kKept = 256 * 1024;

  // Requests and answers alike (the flag tells). After an error the connection is to be closed, as Java does.
  [[nodiscard]] Decoded<Request> decode(const Frame& frame);
  void clear();
  [[nodiscard]] std::size_t memory() const;  // bytes held

 private:
  void rocketmq_header(Request& request, ByteReader& in);
  [[nodiscard]] bool json_header(std::string_view header, Request& request);
  [[nodiscard]] bool fastjson_header(std::string_view header, Request& request);
  [[nodiscard]] bool take_fields(const json::Value& ext_fields);
  // As Java has it after decoding: malformed UTF-8 replaced.
  [[nodiscard]] std::string_view java_text(std::string_view text);
  [[nodiscard]] std::string_view kept(std::string_view text);

  Arena arena_;
  std::vector<Request::Field> fields_;  // of the header under way
};

// An answer that came back, owned. `request` is one whose flag says that it is a response.
[[nodiscard]] Answer to_answer(const Request& request);

}  // namespace rmq::wire
