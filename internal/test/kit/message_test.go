package kit

import (
	"encoding/hex"
	"testing"
	"time"

	"distcache/codec"
)

func TestMessages(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"Add", Add(1, "id", "data", time.Minute),
			"00110000" + "00" + "00000001" + "00" + "00" + "01" + "000e" + "0000ea60" + "00000002" + "6964" + "64617461"},
		{"Get", Get(2, "id"), "00110000" + "00" + "00000002" + "00" + "01" + "01" + "0002" + "6964"},
		{"Remove", Remove(3, "id"), "00110000" + "00" + "00000003" + "00" + "02" + "01" + "0002" + "6964"},
		{"Have", Have(4, "id"), "00110000" + "00" + "00000004" + "00" + "03" + "01" + "0002" + "6964"},
		{"Ask", Ask(5, codec.OpGet, nil), "00110000" + "00" + "00000005" + "00" + "01" + "01" + "0000"},
		{"Hit", Hit(6, "data"), "00110000" + "01" + "00000006" + "00" + "01" + "01" + "0004" + "64617461"},
		{"Status", Status(7, codec.OpHave, codec.StatusNotOK), "00110000" + "01" + "00000007" + "00" + "03" + "01" + "0001" + "01"},
		{"Answer", Answer(8, codec.OpAdd, nil), "00110000" + "01" + "00000008" + "00" + "00" + "01" + "0000"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
