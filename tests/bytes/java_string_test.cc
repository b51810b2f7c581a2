// Against a table that Java made: java_strings.txt, mostly malformed UTF-8.
#include "libstore/bytes/java_string.h"
#include "tests/paths/paths.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace rmq {
namespace {

std::string from_hex(const std::string& hex) {
  std::string out;
  if (hex == "-") return out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

TEST(JavaString, AgreesWithJava) {
  std::ifstream in(tests::source_directory() + "/tests/bytes/java_strings.txt");
  ASSERT_TRUE(in);
  int compared = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string bytes;
    std::int32_t hash = 0;
    std::size_t length = 0;
    std::string clean;
    words >> bytes >> hash >> length >> clean;
    EXPECT_EQ(java_hash(from_hex(bytes)), hash) << line;
    EXPECT_EQ(java_length(from_hex(bytes)), length) << line;
    EXPECT_EQ(java_clean_utf8(from_hex(bytes)), from_hex(clean)) << line;
    EXPECT_EQ(is_java_clean(from_hex(bytes)), from_hex(clean) == from_hex(bytes)) << line;
    ++compared;
  }
  EXPECT_GT(compared, 500);
}

TEST(JavaString, TheSeedIsTheHashOfWhatCameBefore) {
  for (std::size_t cut = 0; cut <= 9; ++cut) {
    const std::string_view text = "topic#key";
    EXPECT_EQ(java_hash(text.substr(cut), java_hash(text.substr(0, cut))), java_hash(text));
  }
}

}  // namespace
}  // namespace rmq
