// A remoting command: what a request or an answer says, apart from how it is written (frame.h) and how it
// travels (net). RocketMQ: RemotingCommand. Values; nothing here is shared between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmq::wire {

// How a header is written; an answer is written as its request was. RocketMQ: SerializeType.
enum class SerializeType : std::uint8_t { json = 0, rocketmq = 1 };

// RocketMQ: LanguageCode. Unknown numbers are kept.
enum class LanguageCode : std::uint8_t {
  java = 0,
  cpp = 1,
  dotnet = 2,
  python = 3,
  delphi = 4,
  erlang = 5,
  ruby = 6,
  other = 7,
  http = 8,
  go = 9,
  php = 10,
  oms = 11,
  rust = 12,
  node_js = 13,
};

inline constexpr std::int32_t kResponseFlag = 1;
inline constexpr std::int32_t kOnewayFlag = 2;
inline constexpr std::int32_t kVersion = 479;  // MQVersion.Version.V5_3_3: what we say we are

// A request as it came. Everything borrows from the connection's buffers: names, values and body live until
// the handler's turn_ended() returns (handler.h), and no longer.
struct Request {
  std::int32_t code = 0;
  std::int32_t opaque = 0;
  std::int32_t flag = 0;
  std::int32_t version = 0;
  LanguageCode language = LanguageCode::java;
  SerializeType serialize_type = SerializeType::json;
  std::string_view remark;
  using Field = std::pair<std::string_view, std::string_view>;
  std::span<const Field> fields;  // extFields, decoded; the last of two with one name counts
  std::span<const std::byte> body;

  [[nodiscard]] bool oneway() const { return (flag & kOnewayFlag) != 0; }
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const {
    for (auto at = fields.rbegin(); at != fields.rend(); ++at)
      if (at->first == name) return at->second;
    return std::nullopt;
  }
};

using Fields = std::vector<std::pair<std::string, std::string>>;

// Bytes of an answer that lie elsewhere, so that they need not be copied: in memory, or in a file (then net
// may let the kernel send them). `owner` keeps them valid.
struct BodyPart {
  std::span<const std::byte> bytes;  // in memory, where file < 0
  int file = -1;                     // descriptor
  std::int64_t offset = 0;           // in the file
  std::int64_t size = 0;             // in the file
  std::shared_ptr<const void> owner;
};

// An answer. Opaque, serialize type and the response flag are net's to give.
struct Response {
  std::int32_t code = 0;
  std::optional<std::string> remark;
  Fields fields;
  std::string body;             // first,
  std::vector<BodyPart> parts;  // then these
};

// A command of our own to somebody else; opaque is net's to give.
struct Command {
  std::int32_t code = 0;
  Fields fields;
  std::string body;
};

// What came back for a Command, owned.
struct Answer {
  std::int32_t code = 0;
  std::optional<std::string> remark;
  Fields fields;
  std::string body;

  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const {
    for (const auto& [key, value] : fields)
      if (key == name) return value;
    return std::nullopt;
  }
};

}  // namespace rmq::wire
