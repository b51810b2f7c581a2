// Base64 (RFC 4648, with padding), as rmq-dump prints bodies and rmq-store reads them.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace rmq::codec {

// Nothing where the text is not base64.
[[nodiscard]] std::optional<std::vector<std::byte>> decode_base64(std::string_view text);

}  // namespace rmq::codec
