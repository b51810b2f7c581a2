// The smallest user of the installed library: touches a room at the bottom, the codecs and the JSON reader.
#include <cstdio>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/codec/body_codec.h"
#include "libstore/codec/sha256.h"
#include "libstore/format/config_files.h"
#include "libstore/io/read_file_system.h"

int main() {
  const auto text = rmq::as_bytes("123456789");
  const auto topics = rmq::format::new_config(rmq::format::config_file(rmq::format::ConfigFileKind::topics));
  const bool good = rmq::crc32(text) == 0xCBF43926U && rmq::codec::sha256_hex(text).size() == 64 &&
                    !rmq::codec::decompress(0x101, text) && rmq::format::read_topics(topics)->empty();
  std::puts(good ? "good" : "bad");
  return good ? 0 : 1;
}
