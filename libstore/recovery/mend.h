// Records with one thing wrong that everything else proves: a header field, or a single flipped bit. Nothing
// is guessed: what comes out has the structure of a record, ends where the next one begins, says where it
// lies, and its body matches its checksum.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libstore/format/commit_log_record.h"
#include "libstore/format/message_properties.h"

namespace rmq::recovery {

// A record is what was written: body and, where it has one, property checksum match, and no zero byte
// is in its text (where a torn write left some, no checksum of the body tells).
[[nodiscard]] bool is_whole(const format::MessageView& message, std::span<const std::byte> record);
// The same with its properties read already.
[[nodiscard]] bool is_whole(const format::MessageView& message, const format::StoreProperties& properties,
                            std::span<const std::byte> record);

// Both ports are ones that an address can have; where they are not, stock cannot decode the message
// (java.net.InetSocketAddress).
[[nodiscard]] bool has_real_ports(const format::MessageView& message);

struct Mended {
  std::vector<std::byte> record;
  std::string what;  // "the magic", "one flipped bit of the body"
};

// `bytes` lie at `log_offset`, between what is known to be in order: they are all of the record.
[[nodiscard]] std::optional<Mended> mend_record(std::span<const std::byte> bytes, std::int64_t log_offset);

}  // namespace rmq::recovery
