// Commands and answers into bytes, as Java writes them: JSON members in fastjson's order, null members left
// out. RocketMQ: RemotingCommand.encode, RocketMQSerializable. Page: docs/protocol/remoting.md.
#pragma once

#include <cstdint>
#include <string>

#include "servers/wire/command.h"

namespace rmq::wire {

// Appends the answer's frame up to and with response.body. Its parts are counted in the frame's length and
// are to follow on the wire.
void append_response(std::string& out, const Response& response, std::int32_t opaque, SerializeType type);

void append_command(std::string& out, const Command& command, std::int32_t opaque, bool oneway,
                    SerializeType type);

// Bytes of the parts on the wire.
[[nodiscard]] std::uint64_t size_of_parts(const Response& response);

}  // namespace rmq::wire
