// Where one command ends and the next begins in what was received. RocketMQ: NettyDecoder,
// RemotingCommand.decode. Page: docs/protocol/remoting.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "libstore/bytes/decode_error.h"
#include "servers/wire/command.h"

namespace rmq::wire {

inline constexpr std::size_t kFrameHead = 8;          // length, then serialize type and header length
inline constexpr std::size_t kMaxFrame = 16'777'216;  // NettyDecoder.FRAME_MAX_LENGTH; the head counts
// Java takes a header as long as a frame. None of its writers comes near this: a header's largest field is
// the 32 KiB of properties, six bytes a byte when every one is escaped.
inline constexpr std::size_t kMaxHeader = 1 << 20;

// Borrows from the bytes that it was found in.
struct Frame {
  SerializeType type = SerializeType::json;
  std::span<const std::byte> header;
  std::span<const std::byte> body;
  std::size_t size = 0;  // bytes it takes, head and all
};

// The frame at the start of `received`; nothing while it has not come whole. An error (a length that lies, a
// serialize type that nobody writes) is told as soon as the head is here, and nothing behind it can be read:
// the connection is to be closed, as Java does.
[[nodiscard]] Decoded<std::optional<Frame>> next_frame(std::span<const std::byte> received);

// Bytes that the frame at the start of `received` takes, 0 while its length is not here. To be asked when
// next_frame gave nothing.
[[nodiscard]] std::size_t frame_size(std::span<const std::byte> received);

}  // namespace rmq::wire
